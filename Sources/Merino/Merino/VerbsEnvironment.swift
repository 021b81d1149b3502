import VerbsFabric

extension VerbsSettings {
  /// The settings of the environment.
  static func fromEnvironment() throws(MerinoError) -> VerbsSettings {
    var settings = VerbsSettings()
    settings.device = EnvironmentSettings.string("MERINO_DEVICE")
    settings.address = EnvironmentSettings.string("MERINO_ADDRESS")
    if let text = EnvironmentSettings.string("MERINO_CONNECT") {
      guard let method = Method(rawValue: text) else {
        throw MerinoError(
          .invalidArgument,
          "could not join: MERINO_CONNECT=\(text) is none of \"auto\", \"cm\" (by IP address, through "
            + "librdmacm) and \"exchange\" (by LID or GID).")
      }
      settings.method = method
    }
    settings.laneCount = try EnvironmentSettings.count("MERINO_LANES", 1...4) ?? settings.laneCount
    settings.queueLength =
      try EnvironmentSettings.count("MERINO_QUEUE_LENGTH", 16...4096) ?? settings.queueLength
    settings.partitionKeyIndex = try EnvironmentSettings.count("MERINO_PKEY_INDEX", 0...65_535) ?? 0
    settings.serviceLevel = try EnvironmentSettings.count("MERINO_SERVICE_LEVEL", 0...15) ?? 0
    settings.trafficClass = try EnvironmentSettings.count("MERINO_TRAFFIC_CLASS", 0...255)
    settings.gidIndex = try EnvironmentSettings.count("MERINO_GID_INDEX", 0...255)
    settings.acknowledgeTimeoutExponent = try EnvironmentSettings.count("MERINO_ACK_TIMEOUT", 1...31)
    settings.retryCount = try EnvironmentSettings.count("MERINO_RETRY_COUNT", 0...7) ?? settings.retryCount
    return settings
  }
}
