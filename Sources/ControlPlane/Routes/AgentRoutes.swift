internal import ControlPlaneAPI
internal import KubeCore
internal import NIOCore

/// What the agent of a connected cluster asks of the control plane, below that cluster's ARM id.
struct AgentRoutes {
    /// A request that has been found to come from the cluster's own agent.
    private struct Visit: Sendable {
        var entry: ClusterDirectory.Entry
        var link: any ExtensionLink
        /// When the token ends.
        var end: Double
    }

    /// Bytes of the bodies that are stored; a cluster that went astray must not fill the database.
    private static let reportLimit = 4 << 20
    private static let heartbeatLimit = 64 << 10

    let core: Core

    func register(_ routes: inout RouteTable) {
        for (type, path) in ClusterRoutes.paths { register(&routes, type, path + "/agent") }
    }

    private func register(_ routes: inout RouteTable, _ type: String, _ path: String) {
        let core = core
        routes.post(path + "/token", access: .open) { call in
            let body = try AgentRoutes.object(try await call.bytes(limit: 16 << 10).readableBytesView, call)
            guard let assertion = body["client_assertion"]?.stringValue, !assertion.isEmpty else {
                throw ARMError.invalid("client_assertion", "The body has no client_assertion.")
            }
            let id = AgentRoutes.id(core, call, type)
            let token = try await AgentSignIn(core: core).token(cluster: id, assertion: assertion)
            return .json([
                "access_token": .string(token), "token_type": "Bearer", "expires_in": JSON(AgentSignIn.lifetime),
            ])
        }
        routes.get(path + "/work", access: .agent) { call in
            let visit = try visit(call, type)
            let stream = AgentWorkStream(
                core: core,
                link: visit.link,
                key: visit.entry.target.key,
                registration: visit.entry.registration,
                end: visit.end
            )
            return Reply(
                200,
                headers: ["Cache-Control": "no-store"],
                content: .stream(stream.body(), type: "application/x-ndjson")
            )
        }
        routes.post(path + "/reports", access: .agent) { call in
            let visit = try visit(call, type)
            let report = try await AgentRoutes.decode(ExtensionReport.self, call, limit: AgentRoutes.reportLimit)
            let target = visit.entry.target
            guard report.clusterType.lowercased() == type.lowercased(),
                report.resourceGroup.lowercased() == target.resourceGroup.lowercased(),
                report.clusterName.lowercased() == target.name.lowercased()
            else {
                throw ARMError(
                    403,
                    "AuthorizationFailed",
                    "The agent of cluster '\(target.name)' may not report on \(report.clusterType)/\(report.clusterName) in '\(report.resourceGroup)'."
                )
            }
            try await visit.link.report(report)
            return .noContent
        }
        routes.post(path + "/answers", access: .agent) { call in
            let visit = try visit(call, type)
            try await visit.link.answer(try await AgentRoutes.decode(AgentAnswer.self, call))
            return .noContent
        }
        routes.post(path + "/heartbeat", access: .agent) { call in
            let visit = try visit(call, type)
            try await visit.link.heartbeat(
                try await AgentRoutes.decode(ClusterHeartbeat.self, call, limit: AgentRoutes.heartbeatLimit)
            )
            return .noContent
        }
        routes.post(path + "/relayToken", access: .agent) { call in
            let credential = try await visit(call, type).link.relayCredential()
            return .json(["access_token": .string(credential.token), "expires_in": JSON(credential.expiresIn)])
        }
        routes.get(path + "/bundles/{component}/{version}", access: .agent) { call in
            let link = try visit(call, type).link
            guard let objects = try await link.bundle(call["component"], version: call["version"]) else {
                throw ARMError(
                    404,
                    "BundleNotFound",
                    "The control plane has no bundle of '\(call["component"])' \(call["version"]); fetch it with 'outrigger bundle pull'."
                )
            }
            return .json(.array(objects))
        }
    }

    private static func id(_ core: Core, _ call: Call, _ type: String) -> String {
        let id = core.connection.clusterID(clusterType: type, resourceGroup: call["g"], clusterName: call["c"])
        // Another subscription's id is nobody's.
        return call["s"].lowercased() == core.connection.subscriptionId.lowercased() ? id : ""
    }

    /// - Throws: 403 when the token is another cluster's, 401 when it was given to an earlier registration.
    private func visit(_ call: Call, _ type: String) throws -> Visit {
        let id = AgentRoutes.id(core, call, type)
        guard case .agent(let cluster, let registration, let end) = call.caller.kind, cluster == id.lowercased() else {
            throw ARMError(
                403,
                "AuthorizationFailed",
                "The token of \(call.caller.subject) does not open the agent routes of cluster '\(call["c"])'."
            )
        }
        guard let entry = core.clusters.entry(resourceID: id), entry.id != nil, entry.registration == registration
        else {
            throw ARMError(
                401,
                "InvalidAuthenticationToken",
                "Cluster '\(call["c"])' was deleted or registered anew since the agent signed in."
            )
        }
        let link = StoredExtensionLink(
            core: core,
            clusterType: type,
            resourceGroup: entry.target.resourceGroup,
            clusterName: entry.target.name
        )
        return Visit(entry: entry, link: link, end: end)
    }

    private static func object(_ bytes: some Sequence<UInt8>, _ call: Call) throws -> JSON {
        do {
            return try JSON(parsing: Array(bytes))
        } catch {
            throw ARMError(
                400,
                "InvalidRequestContent",
                "The body of \(call.method) \(call.path) is not JSON: \(error)."
            )
        }
    }

    private static func decode<T: Decodable>(
        _ type: T.Type,
        _ call: Call,
        limit: Int = Call.bodyLimit
    ) async throws -> T {
        let json = try object(try await call.bytes(limit: limit).readableBytesView, call)
        do {
            return try json.decode(type)
        } catch {
            throw ARMError(
                400,
                "InvalidRequestContent",
                "The body of \(call.method) \(call.path) is no \(type): \(error)."
            )
        }
    }
}
