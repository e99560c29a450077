import KubeCore
import Testing

@testable import NodeAgent

@Suite("Container preparation")
struct ContainerSpecTests {
    static func fields(_ pod: PodModel) -> DownwardFields {
        DownwardFields(
            pod: pod,
            nodeName: "n1",
            hostIP: "10.0.0.1",
            podIP: "10.0.0.9",
            allocatable: ["cpu": Quantity(4), "memory": Quantity(1 << 30)]
        )
    }

    static func builder(_ container: JSON, objects: FixedPodObjects = FixedPodObjects()) -> EnvironmentBuilder {
        let pod = makePod(["containers": [container], "serviceAccountName": "sa"], labels: ["app": "x"])
        return EnvironmentBuilder(
            pod: pod,
            container: pod.containers[0],
            fields: fields(pod),
            objects: objects,
            kubernetesService: ("10.9.9.9", 7444)
        )
    }

    @Test(
        "Expansion",
        arguments: [
            ("$(A)", "1"), ("x$(A)y$(A)", "x1y1"), ("$$(A)", "$(A)"), ("$(NO)", "$(NO)"), ("$", "$"), ("$(A", "$(A"),
            ("$x", "$x"),
            ("$$$(A)", "$1"), ("a$$", "a$"),
        ]
    )
    func expands(_ text: String, _ want: String) { #expect(Expansion.expand(text) { $0 == "A" ? "1" : nil } == want) }

    @Test("Variables come in order, refer to earlier ones, and take fields, resources and keys")
    func environment() async throws {
        var objects = FixedPodObjects()
        objects.configMaps["cm"] = KubeObject(
            .configMaps,
            namespace: "default",
            name: "cm",
            body: ["data": ["k": "v", "bad=key": "x"]]
        )
        objects.secrets["s"] = KubeObject(.secrets, namespace: "default", name: "s", body: ["data": ["pw": "c2VjcmV0"]])
        let container: JSON = [
            "name": "a", "resources": ["limits": ["cpu": "1500m"]],
            "envFrom": [
                ["configMapRef": ["name": "cm"], "prefix": "P_"], ["secretRef": ["name": "gone", "optional": true]],
            ],
            "env": [
                ["name": "ONE", "value": "1"], ["name": "TWO", "value": "$(ONE)2 $(LATER)"],
                ["name": "LATER", "value": "l"],
                ["name": "CM", "valueFrom": ["configMapKeyRef": ["name": "cm", "key": "k"]]],
                ["name": "PW", "valueFrom": ["secretKeyRef": ["name": "s", "key": "pw"]]],
                ["name": "NONE", "valueFrom": ["secretKeyRef": ["name": "s", "key": "no", "optional": true]]],
                ["name": "IP", "valueFrom": ["fieldRef": ["fieldPath": "status.podIP"]]],
                ["name": "LABEL", "valueFrom": ["fieldRef": ["fieldPath": "metadata.labels['app']"]]],
                ["name": "CPU", "valueFrom": ["resourceFieldRef": ["resource": "limits.cpu"]]],
                ["name": "MEM", "valueFrom": ["resourceFieldRef": ["resource": "limits.memory", "divisor": "1Mi"]]],
            ],
        ]
        let result = try await Self.builder(container, objects: objects).build(image: fullImage)
        let variables = result.variables
        #expect(variables["TWO"] == "12 $(LATER)")
        #expect(variables["CM"] == "v")
        #expect(variables["PW"] == "secret")
        #expect(variables["NONE"] == nil)
        #expect(variables["IP"] == "10.0.0.9")
        #expect(variables["LABEL"] == "x")
        #expect(variables["CPU"] == "2")
        #expect(variables["MEM"] == "1024")
        #expect(variables["P_k"] == "v")
        #expect(variables["FROM_IMAGE"] == "1")
        #expect(variables["HOSTNAME"] == "p")
        #expect(variables["KUBERNETES_SERVICE_HOST"] == "10.9.9.9")
        #expect(result.skipped.map(\.names) == [["P_bad=key"]])
    }

    @Test("A missing object or key is a configuration error in upstream's words")
    func missingKeys() async throws {
        let noMap: JSON = [
            "name": "a", "env": [["name": "X", "valueFrom": ["configMapKeyRef": ["name": "no", "key": "k"]]]],
        ]
        await #expect { try await Self.builder(noMap).build(image: fullImage) } throws: {
            ($0 as? NodeAgentError)?.message == "configmap \"no\" not found"
                && ($0 as? NodeAgentError)?.code == .configuration
        }
        var objects = FixedPodObjects()
        objects.secrets["s"] = KubeObject(.secrets, namespace: "default", name: "s")
        let noKey: JSON = [
            "name": "a", "env": [["name": "X", "valueFrom": ["secretKeyRef": ["name": "s", "key": "k"]]]],
        ]
        await #expect { try await Self.builder(noKey, objects: objects).build(image: fullImage) } throws: {
            ($0 as? NodeAgentError)?.message == "couldn't find key k in Secret default/s"
        }
    }

    @Test("Services become variables, headless ones do not")
    func services() {
        let service = KubeObject(
            .services,
            namespace: "default",
            name: "my-db",
            body: [
                "spec": [
                    "clusterIP": "10.96.0.7",
                    "ports": [["name": "sql", "port": 5432], ["port": 80, "protocol": "TCP"]],
                ]
            ]
        )
        let headless = KubeObject(
            .services,
            namespace: "default",
            name: "h",
            body: ["spec": ["clusterIP": "None", "ports": [["port": 1]]]]
        )
        let variables = ServiceVariables.make([service, headless])
        #expect(variables["MY_DB_SERVICE_HOST"] == "10.96.0.7")
        #expect(variables["MY_DB_SERVICE_PORT_SQL"] == "5432")
        #expect(variables["MY_DB_PORT"] == "tcp://10.96.0.7:5432")
        #expect(variables["MY_DB_PORT_80_TCP_ADDR"] == "10.96.0.7")
        #expect(variables["H_SERVICE_HOST"] == nil)
    }

    @Test("command replaces entrypoint and command, args only the command")
    func arguments() {
        func resolve(_ json: JSON) -> [String] {
            ContainerPreparation.arguments(ContainerModel(json, isInit: false), image: fullImage)
        }
        #expect(resolve([:]) == ["/entry", "default"])
        #expect(resolve(["args": ["x"]]) == ["/entry", "x"])
        #expect(resolve(["command": ["c"]]) == ["c"])
        #expect(resolve(["command": ["c"], "args": ["x"]]) == ["c", "x"])
    }

    @Test("Capabilities are added to and dropped from the standard set")
    func capabilities() {
        #expect(Capabilities.resolve(add: [], drop: [], isPrivileged: false).count == Capabilities.standard.count)
        #expect(Capabilities.resolve(add: [], drop: ["ALL"], isPrivileged: false) == [])
        #expect(Capabilities.resolve(add: ["NET_ADMIN"], drop: ["ALL"], isPrivileged: false) == ["CAP_NET_ADMIN"])
        #expect(!Capabilities.resolve(add: [], drop: ["CAP_KILL"], isPrivileged: false).contains("CAP_KILL"))
        #expect(Capabilities.resolve(add: ["NONSENSE"], drop: ["ALL"], isPrivileged: false) == [])
    }

    static func spec(_ container: JSON, pod: JSON = [:]) -> JSON {
        var whole = pod
        whole["containers"] = [container]
        let model = makePod(whole)
        let input = RuntimeSpecInput(
            pod: model,
            container: model.containers[0],
            arguments: ["sh"],
            environment: [],
            workingDir: "",
            user: ContainerUser(uid: 1, gid: 2, additionalGids: [3]),
            mounts: [.bind("/x", at: "/y", readOnly: true)],
            maskedPaths: ["/etc/shadow"],
            networkNamespace: model.hostNetwork ? nil : "/ns/net",
            ipcNamespace: "/ns/ipc",
            utsNamespace: model.hostNetwork ? nil : "/ns/uts",
            processNamespace: nil,
            sharedMemory: "/shm",
            cgroupPath: "/outrigger/i/n/podu/c",
            oomScoreAdjustment: 1000,
            devices: []
        )
        return RuntimeSpec.make(input)
    }

    @Test("Limits become control group settings")
    func resources() {
        let json = Self.spec([
            "name": "a", "resources": ["limits": ["cpu": "500m", "memory": "64Mi"], "requests": ["cpu": "250m"]],
        ])
        let resources = json[path: "linux", "resources"]
        #expect(resources?["memory"]?["limit"] == 67_108_864)
        #expect(resources?["cpu"] == ["shares": 256, "quota": 50_000, "period": 100_000])
        #expect(RuntimeSpec.shares(milliCPU: 0) == 2)
        #expect(RuntimeSpec.oomScore(qos: .guaranteed, memoryRequest: 0, memoryCapacity: 1) == -997)
        #expect(RuntimeSpec.oomScore(qos: .bestEffort, memoryRequest: 0, memoryCapacity: 1) == 1000)
        #expect(RuntimeSpec.oomScore(qos: .burstable, memoryRequest: 25, memoryCapacity: 100) == 750)
    }

    @Test("A plain container is filtered, masked and confined")
    func confinement() {
        let json = Self.spec([
            "name": "a", "securityContext": ["allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true],
        ])
        #expect(json[path: "process", "noNewPrivileges"] == true)
        #expect(json[path: "root", "readonly"] == true)
        #expect(json[path: "linux", "seccomp", "defaultAction"] == "SCMP_ACT_ALLOW")
        #expect(json[path: "linux", "maskedPaths"]?.stringArray?.contains("/etc/shadow") == true)
        #expect(json[path: "linux", "resources", "devices"] == [["allow": false, "access": "rwm"]])
        let kinds = json[path: "linux", "namespaces"]?.arrayValue?.compactMap { $0["type"]?.stringValue }
        #expect(kinds == ["mount", "pid", "network", "ipc", "uts"])
    }

    @Test("A privileged container on the host's network is not")
    func privilege() {
        let json = Self.spec(
            ["name": "a", "securityContext": ["privileged": true]],
            pod: ["hostNetwork": true, "hostPID": true]
        )
        #expect(json[path: "linux", "seccomp"] == nil)
        #expect(json[path: "linux", "readonlyPaths"] == nil)
        let kinds = json[path: "linux", "namespaces"]?.arrayValue?.compactMap { $0["type"]?.stringValue }
        #expect(kinds == ["mount", "ipc"])
        let system = json["mounts"]?.arrayValue?.first { $0["destination"] == "/sys" }
        #expect(system?["options"]?.stringArray?.contains("rw") == true)
    }

    @Test("runAsNonRoot refuses root")
    func nonRoot() throws {
        let pod = makePod(["securityContext": ["runAsNonRoot": true], "containers": [["name": "a"]]])
        #expect(throws: NodeAgentError.self) {
            try ContainerUser.resolve(pod: pod, container: pod.containers[0], image: fullImage)
        }
        let other = makePod([
            "securityContext": [
                "runAsNonRoot": true, "runAsUser": 65000, "runAsGroup": 7, "fsGroup": 9, "supplementalGroups": [8],
            ],
            "containers": [["name": "a"]],
        ])
        let user = try ContainerUser.resolve(pod: other, container: other.containers[0], image: fullImage)
        #expect(user == ContainerUser(uid: 65000, gid: 7, additionalGids: [8, 9]))
    }

    @Test("/etc/hosts and resolv.conf")
    func etcFiles() {
        let pod = makePod([
            "subdomain": "sub", "hostAliases": [["ip": "1.2.3.4", "hostnames": ["x", "y"]]],
            "dnsConfig": ["options": [["name": "ndots", "value": "2"]], "searches": ["corp"]],
            "containers": [["name": "a"]],
        ])
        let address = PodAddress(ip: "10.0.0.9", prefixLength: 24, gateway: "10.0.0.1", dnsServer: "10.0.0.1")
        let hosts = EtcFiles.hosts(pod: pod, address: address, hostFile: "", clusterDomain: "cluster.local")
        #expect(hosts.contains("10.0.0.9\tp.sub.default.svc.cluster.local\tp\n"))
        #expect(hosts.contains("1.2.3.4\tx\ty\n"))
        let resolver = EtcFiles.resolver(
            pod: pod,
            address: address,
            clusterDNS: "",
            clusterDomain: "cluster.local",
            hostFile: "search home\nnameserver 8.8.8.8\n"
        )
        #expect(
            resolver
                == "search default.svc.cluster.local svc.cluster.local cluster.local home corp\nnameserver 10.0.0.1\noptions ndots:2\n"
        )
        let host = makePod(["hostNetwork": true, "containers": [["name": "a"]]])
        #expect(
            EtcFiles.resolver(
                pod: host,
                address: nil,
                clusterDNS: "9.9.9.9",
                clusterDomain: "c",
                hostFile: "nameserver 8.8.8.8\n"
            )
                == "nameserver 8.8.8.8\n"
        )
    }

    @Test("Probes count to their thresholds")
    func probes() {
        var counter = ProbeCounter(successThreshold: 1, failureThreshold: 3)
        #expect(
            [false, false, true, false, false, false, false, true].map { counter.record($0) } == [
                .none, .none, .becameSuccessful, .none, .none, .becameFailed, .none, .becameSuccessful,
            ]
        )
    }

    @Test("Image names")
    func images() throws {
        #expect(ImageReference("busybox").description == "docker.io/library/busybox:latest")
        #expect(ImageReference("r.example:5000/a/b@sha256:1").description == "r.example:5000/a/b@sha256:1")
        let table = ImageTable(
            entries: [.init(pattern: "docker.io/library/busybox:*", source: .directory("/img"))] + ImageTable.builtIn
        )
        #expect(table.entry(for: "busybox:1.36")?.source == .directory("/img"))
        #expect(table.entry(for: "outrigger.ml/outrigger:0.1")?.carriesOutrigger == true)
        #expect(try table.resolve("other", mapUnknownImages: true).isSubstituted)
        #expect(throws: NodeAgentError.self) { try table.resolve("other", mapUnknownImages: false) }
        #expect(ImageTable.Source("oci:/x#v1") == .layout("/x", reference: "v1"))
        #expect(ImageTable.Source("https://x") == nil)
    }

    @Test("Requests to the socket")
    func requests() throws {
        #expect(
            try NodeRequest(uri: "/exec/ns/p/c?command=sh&command=-c&command=a%20b%2Bc&stdin=true&tty=1")
                == .exec(
                    .init(
                        namespace: "ns",
                        pod: "p",
                        container: "c",
                        command: ["sh", "-c", "a b+c"],
                        stdin: true,
                        stdout: false,
                        stderr: false,
                        terminal: true
                    )
                )
        )
        #expect(throws: NodeAgentError.self) { try NodeRequest(uri: "/exec/ns/p/c") }
        #expect(throws: NodeAgentError.self) { try NodeRequest(uri: "/nope") }
        #expect(throws: NodeAgentError.self) { try LogOptions(query: ["tailLines": ["x"]], now: 0) }
    }

    @Test("The end of a command becomes a Status")
    func statuses() throws {
        #expect(
            try JSON(parsing: StreamSession.status(Frame(type: .exit, payload: [0, 0, 0, 0])))["status"] == "Success"
        )
        let failed = try JSON(parsing: StreamSession.status(Frame(type: .exit, payload: [0, 0, 0, 7])))
        #expect(failed["reason"] == "NonZeroExitCode")
        #expect(failed[path: "details", "causes"]?[0] == ["reason": "ExitCode", "message": "7"])
        let broken = Frame(type: .exit, payload: [255, 255, 255, 255] + Array("no such file".utf8))
        #expect(
            try JSON(parsing: StreamSession.status(broken))["message"]?.stringValue?.contains("no such file") == true
        )
    }

    @Test("Frames survive any cut of the stream")
    func frames() throws {
        let frames = [
            Frame(type: .stdout, payload: [1, 2, 3]), Frame(type: .stderr, payload: []), .resize(columns: 80, rows: 24),
        ]
        let bytes = frames.flatMap(\.bytes)
        for size in 1...bytes.count {
            var reader = FrameReader()
            var found: [Frame] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                reader.append(bytes[start..<min(start + size, bytes.count)])
                while let frame = try reader.next() { found.append(frame) }
            }
            #expect(found == frames)
        }
    }

    @Test("Base64")
    func base64() {
        #expect(Base64.decode("aGk=") == [104, 105])
        #expect(Base64.decode("aGkh") == [104, 105, 33])
        #expect(Base64.decode("a") == nil)
        #expect(Base64.decode("*") == nil)
    }
}
