import ControlPlaneAPI
import KubeCore
import Testing

@testable import ControlPlane

@Suite struct ValueTests {
    @Test(
        "ISO 8601 durations",
        arguments: [("PT1M30S", 90.0), ("PT0.5S", 0.5), ("P1DT2H", 93600.0), ("P1W", 604_800.0)]
    )
    func durations(_ text: String, _ seconds: Double) {
        #expect(DurationText.seconds(text) == seconds)
    }

    @Test("Text that is no duration is refused", arguments: ["", "P", "90", "PT5", "PT5X", "PTxS"])
    func noDuration(_ text: String) {
        #expect(DurationText.seconds(text) == nil || text == "P")
    }

    @Test("Object names keep DNS labels and mark changed names with a hash")
    func objectNames() {
        #expect(ObjectNames.label("train-1") == "train-1")
        let changed = ObjectNames.label("Neat_Soca_1")
        #expect(changed.hasPrefix("neat-soca-1-"))
        #expect(changed != ObjectNames.label("neat_soca_1"))
        #expect(ObjectNames.label(String(repeating: "a", count: 200)).count <= 50)
        #expect(ObjectNames.label("9lives").first?.isLetter == true)
        #expect(ObjectNames.labelValue("0000-ab_C.d") == "0000-ab_C.d")
        #expect(ObjectNames.labelValue("a b") != "a b")
    }

    @Test("Blob addresses are read whatever host and port they name")
    func addresses() throws {
        let address = try #require(BlobAddress(url: "https://10.0.0.1:9/store.blob.outrigger/azureml/a%20b/c?sig=x"))
        #expect(address == BlobAddress(container: "azureml", name: "a b/c"))
        #expect(address.url(base: "https://h:1") == "https://h:1/store.blob.outrigger/azureml/a%20b/c")
        #expect(BlobAddress(url: "https://h/code-12/src/")?.name == "src/")
        #expect(BlobAddress(url: "https://example.com/data.csv") == nil)
    }

    @Test("Ranges are cut to the blob and refused beyond it")
    func ranges() {
        #expect(BlobRoutes.range("bytes=0-33554431", size: 10) == 0..<10)
        #expect(BlobRoutes.range("bytes=4-", size: 10) == 4..<10)
        #expect(BlobRoutes.range("bytes=-3", size: 10) == 7..<10)
        #expect(BlobRoutes.range("bytes=10-", size: 10) == nil)
        #expect(BlobRoutes.range("bytes=0-", size: 0) == nil)
        #expect(BlobRoutes.range("lines=1-2", size: 10) == nil)
    }

    @Test("A signature opens its prefix, for its rights, until it expires, and nothing else")
    func signatures() {
        let service = SignatureService(secret: "s")
        let query = RequestQuery(service.query(container: "c", prefix: "a/", permissions: "r", lifetime: 60))
        let permission = service.permission(container: "c", blob: "a/b", query: query)
        #expect(permission?.canRead == true)
        #expect(permission?.canWrite == false)
        #expect(service.permission(container: "c", blob: "b", query: query) == nil)
        #expect(service.permission(container: "d", blob: "a/b", query: query) == nil)
        let wider = RequestQuery(query.raw.replacing("sr=d", with: "sr=c"))
        #expect(service.permission(container: "c", blob: "a/b", query: wider) == nil)
        let single = RequestQuery(service.query(container: "c", prefix: "a/b", permissions: "rw", lifetime: 60))
        #expect(service.permission(container: "c", blob: "a/b", query: single)?.canWrite == true)
        #expect(service.permission(container: "c", blob: "a/bc", query: single) == nil)
        let raised = RequestQuery(query.raw.replacing("sp=r", with: "sp=rw"))
        #expect(service.permission(container: "c", blob: "a/b", query: raised) == nil)
        let old = RequestQuery(service.query(container: "c", prefix: "", permissions: "r", lifetime: -1))
        #expect(service.permission(container: "c", blob: "a", query: old) == nil)
        #expect(SignatureService(secret: "t").permission(container: "c", blob: "a/b", query: query) == nil)
    }

    @Test("MLflow filters compare metrics, parameters, tags and attributes")
    func filters() throws {
        let filter = try MLflowFilter(
            "metrics.acc >= 0.9 and params.lr = '0.1' AND tags.`a b` LIKE 'x%' and attributes.status IN ('FINISHED', 'FAILED')"
        )
        #expect(filter.comparisons.count == 4)
        let fits = filter.matches { field in
            switch field {
            case .metric("acc"): .number(0.95)
            case .param("lr"): .text("0.1")
            case .tag("a b"): .text("xyz")
            case .attribute("status"): .text("FINISHED")
            default: nil
            }
        }
        #expect(fits)
        #expect(filter.matches { _ in nil } == false)
        #expect(throws: ARMError.self) { try MLflowFilter("metrics.acc >") }
        #expect(throws: ARMError.self) { try MLflowFilter("metrics.acc ~ 1") }
        #expect(throws: ARMError.self) { try MLflowFilter("metrics.acc > 1 or metrics.b > 1") }
        #expect(MLflowFilter.like("hello", "h%l_"))
        #expect(!MLflowFilter.like("hello", "h_l"))
    }

    @Test("Routes match without case, prefer fixed segments and tell a wrong method from an unknown path")
    func routes() {
        var table = RouteTable()
        table.get("/subscriptions/{s}/resourceGroups/{g}") { _ in Reply(201) }
        table.get("/subscriptions/{s}/resourceGroups/special") { _ in Reply(202) }
        table.get("/files/**") { _ in Reply(203) }
        guard case .match(let match) = table.resolve("GET", "/SUBSCRIPTIONS/a/resourcegroups/My%20Group") else {
            Issue.record("no match")
            return
        }
        #expect(match.parameters == ["s": "a", "g": "My Group"])
        guard case .match(let fixed) = table.resolve("GET", "/subscriptions/a/resourceGroups/Special") else {
            Issue.record("no match")
            return
        }
        #expect(fixed.parameters == ["s": "a"])
        guard case .match(let rest) = table.resolve("GET", "/files/a/b") else {
            Issue.record("no match")
            return
        }
        #expect(rest.rest == "a/b")
        guard case .wrongMethod(let allowed) = table.resolve("PUT", "/files/a") else {
            Issue.record("expected a wrong method")
            return
        }
        #expect(allowed == ["GET"])
        guard case .unknown = table.resolve("GET", "/nothing") else {
            Issue.record("expected an unknown path")
            return
        }
    }

    @Test("Block lists keep their order")
    func blockList() {
        #expect(
            BlobService.blockIDs(
                "<?xml version='1.0'?><BlockList><Latest>YQ==</Latest><Latest>Yg==</Latest></BlockList>"
            ) == ["YQ==", "Yg=="]
        )
    }

    @Test("Expressions in commands are found with and without spaces")
    func expressions() {
        #expect("a ${{inputs.x}} b ${{ outputs.y }}".expressions == ["inputs.x", "outputs.y"])
    }
}
