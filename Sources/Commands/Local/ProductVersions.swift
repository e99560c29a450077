internal import ControlPlane
internal import Foundation

/// Versions of the product whose program is kept in an instance's folder.
enum ProductVersions {
    /// Each was started here once; this one is always among them.
    static func installed(_ layout: InstanceLayout) -> [ExtensionVersion] {
        let kept = ((try? FileManager.default.contentsOfDirectory(atPath: layout.versions)) ?? []).filter {
            FileManager.default.isExecutableFile(atPath: layout.versions + "/" + $0 + "/outrigger")
        }
        return Set(kept + [Product.version]).sorted().map {
            ExtensionVersion(version: $0, releaseTrain: "Stable", image: Product.image(version: $0))
        }
    }
}
