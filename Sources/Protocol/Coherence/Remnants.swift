import Fabric
import Platform

// What a check asks of an engine that is at rest.

extension Engine {
  /// The home that a word of this node's shard of the directory names, -1 for none.
  public func home(in word: FabricWord) -> NodeID { NodeID(Int(look(word)) - 1) }

  /// What this node still knows of pages that were freed, once the barrier that forgets them is over; nil
  /// where it is nothing, as in the beginning. The addresses may live again after the next barrier, and then
  /// it would be wrong.
  ///
  /// - Parameter range: whole chunks, or the beginning of them.
  public func remnant(ofFreed range: PageRange) -> StaticString? {
    for page in range {
      if pages.load(page).raw != 0 { return "a word" }
      if pages.epochStamp(page).load() != 0 { return "an epoch's stamp" }
      if pages.pinCount(page).load() != 0 { return "a pin" }
      if mark(page).load() != 0 { return "a mark" }
      let shard = directoryWord(page)
      if shard.node == node, look(shard.word) != 0 {
        return "a home in the directory"
      }
    }
    for chunk in chunks(range) {
      if pages.chunkShape(chunk).load() != 0 { return "a shape" }
      if ownKey(chunk).load() != 0 { return "its own key" }
      if (configuration.nodes).contains(where: { local.peerKey($0, chunk).load() != 0 }) {
        return "a peer's key"
      }
      if local.touchedChunk(chunk).load() != 0 { return "that it has touched" }
      if claimMark(chunk).load() != 0 { return "that somebody claimed" }
      if pieces(of: chunk).contains(where: { local.announcedClaim($0).load() != 0 }) {
        return "that it claimed"
      }
    }
    return nil
  }
}
