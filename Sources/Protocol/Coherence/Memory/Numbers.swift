import Fabric
import Platform

public enum PageKind {}
public enum BlockKind {}
public enum ViewKind {}
public enum PieceKind {}

/// A base page of the global address space.
public typealias Page = Ordinal<PageKind>
public typealias PageRange = OrdinalRange<PageKind>
/// 64 pages whose share marks one block mark sums up, and whose directory words lie together.
public typealias Block = Ordinal<BlockKind>
/// A mapping of shared pages into this process, as the protocol names it.
public typealias ViewID = Ordinal<ViewKind>
/// A stretch of pages that lie in one chunk and in one block (`Configuration.claimShift`).
public typealias Piece = Ordinal<PieceKind>
public typealias ChunkRange = OrdinalRange<ChunkKind>

extension Ordinal where Kind == PageKind {
  @inlinable var block: Block { Block(number >> ControlLayout.blockShift) }
}

extension Ordinal where Kind == BlockKind {
  @inlinable var pages: PageRange {
    PageRange(Page(number << ControlLayout.blockShift), count: ControlLayout.blockPageCount)
  }
}

extension Configuration {
  /// The first page behind the last one.
  @inlinable public var endPage: Page { Page(pageCount) }
  @inlinable public var nodes: NodeRange { NodeRange(0, count: nodeCount) }
  @inlinable public var chunks: ChunkRange { ChunkRange(0, count: chunkCount) }
  @inlinable public func chunk(of page: Page) -> Chunk { Chunk(page.number >> chunkShift) }
  @inlinable public func pages(of chunk: Chunk) -> PageRange {
    PageRange(Page(chunk.number << chunkShift), count: chunkPageCount)
  }
  @inlinable public func isInChunks(_ page: Page) -> Bool { page.number & (chunkPageCount - 1) == 0 }
  @inlinable func piece(of page: Page) -> Piece { Piece(page.number >> claimShift) }
  /// Where `page` begins among the frames, and in the global address space.
  @inlinable public func byteOffset(of page: Page) -> Int { page.number << pageShift }
  /// The pages that bytes `range` of the global address space, which is not empty, lie in.
  @inlinable
  public func pages(ofBytes range: Range<Int>) -> PageRange {
    page(atByte: range.lowerBound)..<page(atByte: range.upperBound - 1) + 1
  }
  /// The bytes of the global address space that `pages` are.
  @inlinable
  public func bytes(of pages: PageRange) -> Range<Int> {
    byteOffset(of: pages.lowerBound)..<byteOffset(of: pages.upperBound)
  }
  /// The page of a byte of the global address space.
  @inlinable public func page(atByte address: Int) -> Page { Page(address >> pageShift) }
}
