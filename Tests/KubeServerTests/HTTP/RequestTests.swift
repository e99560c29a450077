import KubeCore
import NIOHTTP1
import Testing

@testable import KubeServer

@Suite struct RequestTargetTests {
    private func target(_ method: HTTPMethod, _ uri: String) -> RequestTarget {
        let mark = uri.firstIndex(of: "?") ?? uri.endIndex
        return RequestTarget(
            method: method,
            path: String(uri[..<mark]),
            query: RequestQuery(uri[mark...].dropFirst())
        )
    }

    @Test func `A pod's address names namespace, resource and name`() {
        let target = target(.GET, "/api/v1/namespaces/ns/pods/web/log?follow=true")
        #expect(target.isResource)
        #expect(target.verb == "get")
        #expect(
            [target.group, target.version, target.namespace, target.resource, target.name, target.subresource]
                == ["", "v1", "ns", "pods", "web", "log"]
        )
    }

    @Test(arguments: [
        (HTTPMethod.GET, "/api/v1/pods", "list"), (.GET, "/api/v1/pods?watch=true", "watch"),
        (.GET, "/api/v1/pods?watch=0", "list"), (.GET, "/apis/apps/v1/namespaces/a/deployments/b", "get"),
        (.POST, "/apis/apps/v1/namespaces/a/deployments", "create"),
        (.DELETE, "/apis/apps/v1/namespaces/a/deployments", "deletecollection"),
        (.DELETE, "/apis/apps/v1/namespaces/a/deployments/b", "delete"),
        (.PATCH, "/api/v1/namespaces/a", "patch"), (.PUT, "/api/v1/nodes/n/status", "update"),
        (.GET, "/apis/apps/v1", "get"), (.GET, "/healthz", "get"),
    ])
    func `Method and address give the verb`(method: HTTPMethod, uri: String, wantVerb: String) {
        #expect(target(method, uri).verb == wantVerb)
    }

    @Test func `A namespace and its status are about the namespace itself`() {
        let own = target(.GET, "/api/v1/namespaces/a")
        #expect(own.resource == "namespaces")
        #expect(own.name == "a")
        #expect(own.namespaceOrNil == nil)
        let status = target(.PUT, "/api/v1/namespaces/a/status")
        #expect([status.resource, status.name, status.subresource] == ["namespaces", "a", "status"])
    }

    @Test func `A selection by name is authorised by that name`() {
        let target = target(.GET, "/api/v1/namespaces/a/secrets?fieldSelector=metadata.name%3Dx&watch=1")
        #expect(target.verb == "watch")
        #expect(target.name == "x")
        #expect(target.pathName == nil)
    }

    @Test func `Discovery addresses are no resources`() {
        for path in ["/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v3/apis/apps/v1"] {
            #expect(!target(.GET, path).isResource, "\(path)")
        }
    }

    @Test func `Queries decode percent and plus`() {
        let query = RequestQuery("labelSelector=a%3Db%2Cc+in+%28d%29&x=&command=ls&command=-l&flag")
        #expect(query["labelSelector"] == "a=b,c in (d)")
        #expect(query.text("x") == nil)
        #expect(query.all("command") == ["ls", "-l"])
        #expect(query.flag("flag") == true)
        #expect(PercentText.decode("%zz%4") == "%zz%4")
    }
}

@Suite struct MediaTypeTests {
    private func all(_ shape: MediaType.Shape) -> Bool { true }

    @Test(
        arguments: [
            ([], MediaType.Choice(format: .json, shape: .object)),
            (["*/*"], .init(format: .json, shape: .object)),
            (["application/vnd.kubernetes.protobuf,application/json"], .init(format: .json, shape: .object)),
            (["application/yaml"], .init(format: .yaml, shape: .object)),
            (["application/json;q=0.5, application/yaml"], .init(format: .yaml, shape: .object)),
            (
                [
                    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
                ],
                .init(format: .json, shape: .table(apiVersion: "meta.k8s.io/v1"))
            ),
            (
                ["application/json;g=meta.k8s.io;v=v1;as=Unknown, application/json"],
                .init(format: .json, shape: .object)
            ),
            (
                ["application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"],
                .init(format: .json, shape: .partialMetadata(apiVersion: "meta.k8s.io/v1"))
            ),
        ] as [([String], MediaType.Choice)]
    )
    func `The first acceptable clause wins`(accept: [String], want: MediaType.Choice) throws {
        #expect(try MediaType.choose(accept: accept, allows: all) == want)
    }

    @Test func `Nothing acceptable is a 406`() {
        for accept in ["application/vnd.kubernetes.protobuf", "text/html", "application/json;q=0"] {
            let error = #expect(throws: APIError.self) { try MediaType.choose(accept: [accept, ""]) }
            #expect(error?.code == 406)
        }
    }
}

@Suite struct BodyTests {
    private func decode(_ text: String, _ type: String?) throws -> RequestBody {
        try RequestBody.decode(Array(text.utf8), contentType: type, what: "pods") { _, _ in nil }
    }

    @Test func `A body without a type is JSON, and repeated keys are told`() throws {
        let body = try decode(#"{"a":1,"b":{"c":1,"c":2}}"#, nil)
        #expect(body.json["a"] == 1)
        #expect(body.duplicates == ["b.c"])
    }

    @Test func `YAML follows YAML 1.1`() throws {
        let body = try decode("a: yes\nb: 'yes'\nc: [1, 0x10]\n", "application/yaml; charset=utf-8")
        #expect(body.json == ["a": true, "b": "yes", "c": [1, 16]])
    }

    @Test(arguments: [
        ("{", "application/json", 400), ("a: [", "application/yaml", 400), ("<a/>", "text/xml", 415),
        ("k8s", "application/vnd.kubernetes.protobuf", 400),
    ])
    func `Bodies that cannot be read are refused`(text: String, type: String, wantCode: Int) {
        let error = #expect(throws: APIError.self) { try decode(text, type) }
        #expect(error?.code == wantCode)
    }

    @Test func `Delete options come from body or query`() throws {
        let query = RequestQuery("gracePeriodSeconds=3&propagationPolicy=Orphan&dryRun=All")
        let fromQuery = try RequestOptions.delete(query, body: nil)
        #expect(fromQuery == DeleteOptions(gracePeriodSeconds: 3, propagation: .orphan, dryRun: true))
        let body: JSON = [
            "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": ["uid": "u", "resourceVersion": "7"],
            "propagationPolicy": "Foreground",
        ]
        let fromBody = try RequestOptions.delete(RequestQuery(), body: body)
        #expect(
            fromBody
                == DeleteOptions(
                    gracePeriodSeconds: 0,
                    propagation: .foreground,
                    preconditionUID: "u",
                    preconditionResourceVersion: "7"
                )
        )
        #expect(throws: APIError.self) { try RequestOptions.delete(RequestQuery("dryRun=Some"), body: nil) }
        #expect(throws: APIError.self) { try RequestOptions.delete(RequestQuery("propagationPolicy=No"), body: nil) }
    }

    @Test func `Warnings are quoted`() {
        #expect(ServerResponse.warningValue("a \"b\"\nc") == #"299 - "a \"b\" c""#)
    }

    @Test func `The first address of a range is the kubernetes service's`() throws {
        #expect(try Bootstrap.firstServiceAddress("10.96.0.0/16") == "10.96.0.1")
        #expect(try Bootstrap.firstServiceAddress("10.43.128.7/17") == "10.43.128.1")
        #expect(throws: APIError.self) { try Bootstrap.firstServiceAddress("10.0.0.0") }
    }
}
