import Coherence
import Fabric
import Platform

extension Cluster {
  /// What this node knows of the page of shared memory at `address`, in words: for reports of programs that
  /// found something wrong in it. Thread-safe; the page may change meanwhile.
  public func describePage(at address: UnsafeRawPointer) -> String {
    do throws(MerinoError) {
      let runtime = try runtime
      let place = try runtime.translate(UInt(bitPattern: address), byteCount: 1, writing: false)
      let pages = runtime.engine.pages
      let unit = pages.unit(
        containing: runtime.engine.configuration.page(atByte: place.globalOffset))
      let word = pages.load(unit.page)
      var text = "page \(unit.page) (\(unit.count) of the system) is \(word.state) here"
      text += word.home >= 0 ? ", homed at node \(word.home)" : ", its home not known"
      if word.isPinned { text += ", pinned" }
      if word.isLocked { text += ", locked" }
      if word.hasAtomics { text += ", changed by atomics" }
      return text
    } catch {
      return error.description
    }
  }
}
