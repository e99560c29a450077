import KubeCore
import Testing

@testable import KubeServer

/// Writes protobuf by hand, as Go clients do.
struct ProtobufWriter {
    var bytes: [UInt8] = []

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func int(_ number: UInt64, _ value: Int64) {
        varint(number << 3)
        varint(UInt64(bitPattern: value))
    }

    mutating func data(_ number: UInt64, _ value: [UInt8]) {
        varint(number << 3 | 2)
        varint(UInt64(value.count))
        bytes += value
    }

    mutating func string(_ number: UInt64, _ value: String) { data(number, Array(value.utf8)) }

    mutating func message(_ number: UInt64, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        data(number, inner.bytes)
    }

    mutating func entry(_ number: UInt64, _ key: String, _ value: String) {
        message(number) {
            $0.string(1, key)
            $0.string(2, value)
        }
    }

    static func envelope(_ apiVersion: String, _ kind: String, _ body: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.message(1) {
            $0.string(1, apiVersion)
            $0.string(2, kind)
        }
        writer.message(2, body)
        writer.string(3, "")
        writer.string(4, "")
        return ProtobufEnvelope.magic + writer.bytes
    }
}

struct ProtobufDecodeTests {
    private func decode(_ bytes: [UInt8]) throws -> JSON {
        let envelope = try ProtobufEnvelope(bytes)
        return try schema(envelope.apiVersion, envelope.kind).decodeProtobuf(envelope.raw)
    }

    @Test("A ConfigMap as kubectl create sends it")
    func configMap() throws {
        let bytes = ProtobufWriter.envelope("v1", "ConfigMap") { map in
            map.message(1) {
                $0.string(1, "settings")
                $0.string(2, "")
                $0.string(3, "default")
                $0.string(4, "")
                $0.string(5, "")
                $0.int(7, 0)
                $0.message(8) { _ in }
                $0.entry(11, "app", "x")
            }
            map.entry(2, "a", "1")
            map.entry(2, "empty", "")
            map.message(3) {
                $0.string(1, "raw")
                $0.data(2, [0, 1, 2])
            }
        }
        #expect(
            try decode(bytes) == [
                "metadata": ["name": "settings", "namespace": "default", "labels": ["app": "x"]],
                "data": ["a": "1", "empty": ""], "binaryData": ["raw": "AAEC"],
            ]
        )
    }

    @Test("A Deployment with quantities, int-or-strings, inlined sources and pointers to zero")
    func deployment() throws {
        let bytes = ProtobufWriter.envelope("apps/v1", "Deployment") { deployment in
            deployment.message(1) { $0.string(1, "web") }
            deployment.message(2) { spec in
                spec.int(1, 0)
                spec.message(2) { $0.entry(1, "app", "web") }
                spec.message(3) { template in
                    template.message(1) { $0.entry(11, "app", "web") }
                    template.message(2) { pod in
                        pod.message(1) { volume in
                            volume.string(1, "v")
                            volume.message(2) { source in source.message(2) { $0.string(1, "") } }
                        }
                        pod.message(2) { container in
                            container.string(1, "c")
                            container.string(2, "nginx")
                            container.message(6) { port in
                                port.string(1, "")
                                port.int(2, 0)
                                port.int(3, 80)
                                port.string(4, "")
                                port.string(5, "")
                            }
                            container.message(8) { resources in
                                resources.message(1) { entry in
                                    entry.string(1, "cpu")
                                    entry.message(2) { $0.string(1, "0.5") }
                                }
                            }
                            container.message(11) { probe in
                                probe.message(1) { handler in
                                    handler.message(2) { get in
                                        get.string(1, "/ready")
                                        get.message(2) {
                                            $0.int(1, 1)
                                            $0.int(2, 0)
                                            $0.string(3, "http")
                                        }
                                    }
                                }
                                probe.int(2, 0)
                                probe.int(6, 7)
                            }
                        }
                        pod.string(3, "")
                        pod.int(11, 0)
                        pod.int(21, 0)
                    }
                }
                spec.message(4) { strategy in
                    strategy.string(1, "RollingUpdate")
                    strategy.message(2) {
                        $0.message(1) {
                            $0.int(1, 0); $0.int(2, 1); $0.string(3, "")
                        }
                    }
                }
            }
            deployment.message(3) { $0.int(1, 0) }
        }
        #expect(
            try decode(bytes) == [
                "metadata": ["name": "web"],
                "spec": [
                    "replicas": 0, "selector": ["matchLabels": ["app": "web"]],
                    "template": [
                        "metadata": ["labels": ["app": "web"]],
                        "spec": [
                            "volumes": [["name": "v", "emptyDir": [:]]],
                            "automountServiceAccountToken": false,
                            "containers": [
                                [
                                    "name": "c", "image": "nginx", "ports": [["containerPort": 80]],
                                    "resources": ["limits": ["cpu": "500m"]],
                                    "readinessProbe": [
                                        "httpGet": ["path": "/ready", "port": "http"], "failureThreshold": 7,
                                    ],
                                ]
                            ],
                        ],
                    ],
                    "strategy": ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 1]],
                ],
            ]
        )
    }

    @Test("Times, micro times and negative numbers")
    func lease() throws {
        let bytes = ProtobufWriter.envelope("coordination.k8s.io/v1", "Lease") { lease in
            lease.message(1) {
                $0.string(1, "l")
                $0.message(8) { $0.int(1, 1_714_558_830) }
            }
            lease.message(2) {
                $0.string(1, "")
                $0.int(2, 15)
                $0.message(4) {
                    $0.int(1, 1_714_558_830)
                    $0.int(2, 123_456_000)
                }
            }
        }
        #expect(
            try decode(bytes) == [
                "metadata": ["name": "l", "creationTimestamp": "2024-05-01T10:20:30Z"],
                "spec": [
                    "holderIdentity": "", "leaseDurationSeconds": 15, "renewTime": "2024-05-01T10:20:30.123456Z",
                ],
            ]
        )
        let priority = ProtobufWriter.envelope("scheduling.k8s.io/v1", "PriorityClass") { $0.int(2, -5) }
        #expect(try decode(priority)["value"] == -5)
    }

    @Test("Reviews and options of any group version")
    func reviews() throws {
        let review = ProtobufWriter.envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview") { review in
            review.message(2) { spec in
                spec.message(1) {
                    $0.string(1, "default")
                    $0.string(2, "get")
                    $0.string(3, "")
                    $0.string(5, "pods")
                }
            }
            review.message(3) {
                $0.int(1, 0)
                $0.string(2, "")
            }
        }
        let decoded = try decode(review)
        #expect(decoded["spec"] == ["resourceAttributes": ["namespace": "default", "verb": "get", "resource": "pods"]])
        let options = ProtobufWriter.envelope("apps/v1", "DeleteOptions") {
            $0.int(1, 0)
            $0.string(4, "Foreground")
            $0.string(5, "All")
        }
        #expect(
            try decode(options) == ["gracePeriodSeconds": 0, "propagationPolicy": "Foreground", "dryRun": ["All"]]
        )
    }

    @Test(
        "Broken bodies are refused",
        arguments: [
            [0x7B, 0x7D], [0x6B, 0x38, 0x73, 0x00, 0x0A, 0x7F], [0x6B, 0x38, 0x73, 0x00, 0x07],
            [0x6B, 0x38, 0x73, 0x00, 0xFF],
        ] as [[UInt8]]
    )
    func refusal(_ bytes: [UInt8]) {
        #expect(throws: ProtobufDecodeError.self) { try ProtobufEnvelope(bytes) }
    }
}
