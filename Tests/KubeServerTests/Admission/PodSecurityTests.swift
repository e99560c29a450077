import KubeCore
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1))) struct PodSecurityTests {
    private func fixture(_ labels: [String: String]) async throws -> Registry {
        let api = try await RegistryFixture().registry
        let full = Dictionary(uniqueKeysWithValues: labels.map { ("pod-security.kubernetes.io/" + $0.key, $0.value) })
        try await api.create(.namespaces, KubeObject(.namespaces, name: "safe", labels: full))
        try await api.create(.serviceAccounts, KubeObject(.serviceAccounts, namespace: "safe", name: "default"))
        return api
    }

    private func object(_ spec: [String: JSON], container: [String: JSON] = [:]) -> KubeObject {
        var main: [String: JSON] = ["name": "main", "image": "busybox:1"]
        main.merge(container) { _, new in new }
        var all: [String: JSON] = ["containers": [.object(main)]]
        all.merge(spec) { _, new in new }
        return KubeObject(.pods, namespace: "safe", name: "p", body: ["spec": .object(all)])
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var level = "baseline"
        var spec: [String: JSON] = [:]
        var container: [String: JSON] = [:]
        /// nil = allowed.
        var wantDetail: String?
        var testDescription: String { name }
    }

    static let hardened: [String: JSON] = [
        "securityContext": [
            "allowPrivilegeEscalation": false, "capabilities": ["drop": ["ALL"]], "runAsNonRoot": true,
            "seccompProfile": ["type": "RuntimeDefault"],
        ]
    ]

    static let cases: [Case] = [
        Case(name: "plain pod", wantDetail: nil),
        Case(
            name: "host namespaces",
            spec: ["hostNetwork": true, "hostPID": true],
            wantDetail: "host namespaces (hostNetwork=true, hostPID=true)"
        ),
        Case(
            name: "host path",
            spec: ["volumes": [["name": "v", "hostPath": ["path": "/"]]]],
            wantDetail: "hostPath volumes (volume \"v\")"
        ),
        Case(
            name: "host port",
            container: ["ports": [["containerPort": 80, "hostPort": 80]]],
            wantDetail: "hostPort (container \"main\" uses hostPort 80)"
        ),
        Case(
            name: "privileged",
            container: ["securityContext": ["privileged": true]],
            wantDetail: "privileged (container \"main\" must not set securityContext.privileged=true)"
        ),
        Case(
            name: "capabilities",
            container: ["securityContext": ["capabilities": ["add": ["NET_ADMIN", "CHOWN"]]]],
            wantDetail: "non-default capabilities (container \"main\" must not include \"NET_ADMIN\" in "
                + "securityContext.capabilities.add)"
        ),
        Case(
            name: "seccomp",
            spec: ["securityContext": ["seccompProfile": ["type": "Unconfined"]]],
            wantDetail: "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")"
        ),
        Case(
            name: "sysctls",
            spec: ["securityContext": ["sysctls": [["name": "kernel.msgmax", "value": "1"]]]],
            wantDetail: "forbidden sysctls (kernel.msgmax)"
        ),
        Case(
            name: "probe host",
            container: ["livenessProbe": ["httpGet": ["host": "example.com", "port": 80]]],
            wantDetail: "probe or lifecycle host (container \"main\" uses probe or lifecycle host \"example.com\")"
        ),
        Case(
            name: "SELinux",
            spec: ["securityContext": ["seLinuxOptions": ["type": "spc_t"]]],
            wantDetail: "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"spc_t\")"
        ),
        Case(
            name: "procMount",
            container: ["securityContext": ["procMount": "Unmasked"]],
            wantDetail: "procMount (container \"main\" must not set securityContext.procMount to \"Unmasked\")"
        ),
        Case(
            name: "AppArmor",
            spec: ["securityContext": ["appArmorProfile": ["type": "Unconfined"]]],
            wantDetail: "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\")"
        ),
        Case(
            name: "plain pod, restricted",
            level: "restricted",
            wantDetail: "allowPrivilegeEscalation != false (container \"main\" must set "
                + "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"main\" must set "
                + "securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"main\" must set "
                + "securityContext.runAsNonRoot=true), seccompProfile (pod or container \"main\" must set "
                + "securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
        ),
        Case(name: "hardened pod, restricted", level: "restricted", container: hardened, wantDetail: nil),
        Case(
            name: "root user, restricted",
            level: "restricted",
            spec: ["securityContext": ["runAsUser": 0]],
            container: hardened,
            wantDetail: "runAsUser=0 (pod must not set runAsUser=0)"
        ),
        Case(
            name: "volume type, restricted",
            level: "restricted",
            spec: ["volumes": [["name": "v", "nfs": ["server": "s", "path": "/p"]]]],
            container: hardened,
            wantDetail: "restricted volume types (volume \"v\" uses restricted volume type \"nfs\")"
        ),
    ]

    @Test(arguments: cases) func `A namespace's level is enforced on its pods`(_ given: Case) async throws {
        let api = try await fixture(["enforce": given.level])
        let pod = object(given.spec, container: given.container)
        let error = await failure { try await api.create(.pods, pod) }
        guard let detail = given.wantDetail else {
            #expect(error == nil)
            return
        }
        #expect(error?.code == 403)
        #expect(
            error?.message == "pods \"p\" is forbidden: violates PodSecurity \"\(given.level):latest\": \(detail)"
        )
    }

    @Test func `Versions mean the rules of their time`() async throws {
        let api = try await fixture(["enforce": "baseline", "enforce-version": "v1.28"])
        let old = object([:], container: ["livenessProbe": ["httpGet": ["host": "example.com", "port": 80]]])
        #expect(await failure { try await api.create(.pods, old) } == nil)
    }

    @Test func `Templates are warned about and pods are not let in`() async throws {
        let api = try await fixture(["enforce": "baseline"])
        var made = deployment("d")
        made.namespace = "safe"
        made["spec", "template", "spec", "hostNetwork"] = true
        let given = made
        let scope = RequestScope(user: .system)
        try await RequestScope.$current.withValue(scope) { _ = try await api.create(.deployments, given) }
        #expect(
            scope.warnings == ["would violate PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)"]
        )
    }

    @Test func `Labels are checked, and a stricter level names the pods that are there`() async throws {
        let api = try await fixture([:])
        try await api.create(.pods, object(["hostNetwork": true]))
        let key = ObjectKey(name: "safe")
        func label(_ value: String) -> Patch {
            .merge(["metadata": ["labels": ["pod-security.kubernetes.io/enforce": .string(value)]]])
        }
        let wrong = await failure { try await api.patch(.namespaces, key, label("strict")) }
        #expect(wrong?.code == 422)
        #expect(wrong?.message.contains("must be one of privileged, baseline, restricted") == true)
        let scope = RequestScope(user: .system)
        try await RequestScope.$current.withValue(scope) {
            _ = try await api.patch(.namespaces, key, label("baseline"))
        }
        #expect(
            scope.warnings == [
                "existing pods in namespace \"safe\" violate the new PodSecurity enforce level \"baseline:latest\"",
                "p: host namespaces",
            ]
        )
        // What is there may go on living.
        let status: Patch = .merge(["status": ["phase": "Running"]])
        try await api.patch(.pods, ObjectKey(namespace: "safe", name: "p"), subresource: "status", status)
    }
}
