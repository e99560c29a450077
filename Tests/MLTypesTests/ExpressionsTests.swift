import KubeCore
import MLTypes
import Testing

@Suite("Expressions in commands")
struct ExpressionsTests {
    private let inputs = ["lr": "0.1", "data": "/in"]
    private let outputs = ["model": "/out"]

    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var want: String
        var testDescription: String { text }
    }

    @Test(
        "Names become their values",
        arguments: [
            Case(text: "python a.py --lr ${{inputs.lr}}", want: "python a.py --lr 0.1"),
            Case(text: "x ${{ inputs.data }}/f > ${{outputs.model}}", want: "x /in/f > /out"),
            Case(text: "no expression $HOME ${X}", want: "no expression $HOME ${X}"),
            Case(text: "a $[[--lr ${{inputs.lr}}]] b", want: "a --lr 0.1 b"),
            Case(text: "a $[[--seed ${{inputs.seed}}]] b", want: "a  b"),
        ]
    )
    func resolves(_ test: Case) throws {
        #expect(try Expressions.resolve(test.text, inputs: inputs, outputs: outputs) == test.want)
    }

    @Test("An unknown name is an error that lists the known ones")
    func unknown() throws {
        let error = #expect(throws: ExpressionError.self) {
            try Expressions.resolve("x ${{inputs.sed}}", inputs: inputs, outputs: outputs)
        }
        #expect(error?.description == "${{inputs.sed}}: no such input or output (inputs: data, lr; outputs: model)")
    }

    @Test("Missing ends are errors", arguments: ["x ${{inputs.lr", "x $[[ a"])
    func unterminated(_ text: String) {
        #expect(throws: ExpressionError.self) { try Expressions.resolve(text, inputs: inputs, outputs: outputs) }
    }
}

@Suite("Instance types")
struct InstanceTypeTests {
    @Test("The default type exists without an object and can be redefined")
    func defaultType() throws {
        #expect(try InstanceTypeSpec.resolve(nil, among: []) == .fallback)
        let own = KubeObject(
            MLResources.instanceTypes,
            name: InstanceTypeSpec.defaultName,
            body: ["spec": ["resources": ["limits": ["cpu": "8"]]]]
        )
        #expect(try InstanceTypeSpec.resolve(nil, among: [own]).resources.limits == ["cpu": "8"])
    }

    @Test("An unknown type names what exists")
    func unknown() {
        let error = #expect(throws: InstanceTypeError.self) { try InstanceTypeSpec.resolve("big", among: []) }
        #expect(error?.description.contains("\"big\" does not exist") == true)
    }
}

@Suite("Environment hashes")
struct DeliveryPlanTests {
    private func plan(image: String, conda: String?) -> DeliveryPlan {
        DeliveryPlan(
            cluster: .init(image: "our:1", environmentCache: .hostPath("/cache")),
            environment: EnvironmentSpec(image: image, condaFile: conda),
            manifest: DeliveryManifest(controlPlaneURL: "https://c", downloads: []),
            caPEM: "PEM",
            tokenSecret: "t",
            configMapName: "c"
        )
    }

    @Test("The hash depends on image and conda file, and there is none without one")
    func hash() {
        let first = plan(image: "a", conda: "x").environmentHash
        #expect(first?.count == 32)
        #expect(first == plan(image: "a", conda: "x").environmentHash)
        #expect(first != plan(image: "b", conda: "x").environmentHash)
        #expect(plan(image: "a", conda: nil).environmentHash == nil)
        #expect(plan(image: "a", conda: nil).initContainers.count == 1)
        #expect(plan(image: "a", conda: "x").initContainers.count == 2)
    }
}
