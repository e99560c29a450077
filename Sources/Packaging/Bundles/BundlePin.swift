/// A third-party release: where its manifest is published, and which bytes are the right ones.
package struct BundlePin: Sendable, Hashable {
    /// One published file.
    package struct File: Sendable, Hashable {
        /// The address names a commit or a release, so its bytes never change.
        package var url: String
        /// SHA-256 of the published bytes, 64 hexadecimal digits; nil when it is not known here.
        package var sha256: String?

        package init(url: String, sha256: String?) {
            self.url = url
            self.sha256 = sha256
        }

        /// The last part of the address.
        package var name: String { url.split(separator: "/").last.map(String.init) ?? url }
    }

    /// An image that the release runs.
    package struct Image: Codable, Sendable, Hashable {
        /// As the manifest writes it, tag included.
        package var name: String
        /// `sha256:…` of the image index; nil when it is not known here.
        package var digest: String?

        package init(_ name: String, digest: String? = nil) {
            self.name = name
            self.digest = digest
        }

        /// Name, tag and, where known, digest.
        package var pinned: String { digest.map { "\(name)@\($0)" } ?? name }
    }

    package var component: String
    /// Upstream's version, as it writes it.
    package var version: String
    /// The newest minor version of Kubernetes whose client library the release is built with.
    package var kubernetes: String?
    /// Empty for a release that publishes no manifest: its objects are made here, and only its images are pinned.
    package var files: [File]
    package var images: [Image]

    package init(component: String, version: String, kubernetes: String?, files: [File], images: [Image]) {
        self.component = component
        self.version = version
        self.kubernetes = kubernetes
        self.files = files
        self.images = images
    }
}
