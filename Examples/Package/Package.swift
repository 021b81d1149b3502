// swift-tools-version: 6.2
import PackageDescription

// A package that uses Merino as any other dependency: put in the address at which your site has the repository.
let package = Package(
  name: "Counter",
  dependencies: [
    .package(url: "https://example.org/merino.git", from: "0.1.0")
  ],
  targets: [
    .executableTarget(name: "Counter", dependencies: [.product(name: "Merino", package: "merino")])
  ],
  swiftLanguageModes: [.v6]
)
