internal import Packaging
internal import Testing

@testable import Extension

/// `Extension` renders the third-party releases that `Packaging` fetches; the modules do not know each other.
@Suite struct BundlePinTests {
    @Test func `Every release that the extension renders is pinned, and every pinned manifest is rendered`() {
        let rendered = ThirdPartyBundle.all.map(\.reference.description)
        let pinned = BundleCatalogue.all.filter { !$0.files.isEmpty }.map { "\($0.component) \($0.version)" }
        #expect(rendered.sorted() == pinned.sorted())
    }

    @Test func `The image of Prometheus is the pinned one`() throws {
        let pin = try BundleCatalogue.pin("prometheus")
        #expect(ExtensionRenderer.prometheusPin.version == pin.version)
        #expect(pin.images.map(\.pinned) == [ExtensionRenderer.prometheusPin.image])
    }
}
