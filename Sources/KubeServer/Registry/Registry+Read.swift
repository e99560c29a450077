package import KubeCore
internal import KubeStore

/// A list as bytes, and what its metadata says.
package struct ByteList: Sendable {
    /// The whole List document.
    package var bytes: [UInt8]
    package var resourceVersion: String
    package var continueToken: String?
    package var remainingItemCount: Int?
}

extension Registry {
    package func get(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?
    ) async throws -> KubeObject {
        let resource = try resource(type)
        let stored = try current(resource, try self.namespace(resource, namespace), name)
        switch subresource {
        case nil, "status", "ephemeralcontainers", "resize": return resource.conversion.present(stored)
        case "scale": return try Scale.object(resource, resource.conversion.present(stored))
        case let other?: throw notServed(other, resource)
        }
    }

    /// The object's canonical bytes; no decoding happens.
    package func getBytes(_ type: ResourceType, namespace: String?, name: String) throws -> [UInt8] {
        let resource = try resource(type)
        return resource.conversion.bytes(try current(resource, try self.namespace(resource, namespace), name))
    }

    package func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList {
        let resource = try resource(type)
        let page = try await page(resource, namespace, options)
        return KubeList(
            items: page.objects.map { resource.conversion.present($0) },
            resourceVersion: String(page.revision),
            continueToken: page.continueToken,
            remainingItemCount: page.remaining
        )
    }

    /// The list joined from the stored bytes.
    package func listBytes(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> ByteList {
        let resource = try resource(type)
        let page = try await page(resource, namespace, options)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(page.objects.reduce(256) { $0 + $1.bytes.count + 1 })
        bytes += Array(#"{"apiVersion":"\#(resource.type.apiVersion)","items":["#.utf8)
        for (index, object) in page.objects.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += resource.conversion.bytes(object)
        }
        bytes += Array(#"],"kind":"\#(resource.kind.listKind)","metadata":"#.utf8)
        var metadata: [String: JSON] = ["resourceVersion": .string(String(page.revision))]
        if let token = page.continueToken { metadata["continue"] = .string(token) }
        if let remaining = page.remaining { metadata["remainingItemCount"] = JSON(remaining) }
        JSON.object(metadata).appendBytes(to: &bytes)
        bytes.append(UInt8(ascii: "}"))
        return ByteList(
            bytes: bytes,
            resourceVersion: String(page.revision),
            continueToken: page.continueToken,
            remainingItemCount: page.remaining
        )
    }

    struct Page {
        var objects: [StoredObject]
        var revision: Int64
        var continueToken: String?
        var remaining: Int?
    }

    func page(_ resource: Resource, _ namespace: String?, _ options: ListOptions) async throws -> Page {
        let namespace = resource.type.isNamespaced ? namespace ?? "" : ""
        let selection = try Selection(
            resource,
            labelSelector: options.labelSelector,
            fieldSelector: options.fieldSelector
        )
        var objects: [StoredObject]
        let revision: Int64
        var after: String?
        if let text = options.continueToken, !text.isEmpty {
            guard (options.resourceVersion ?? "").isEmpty || options.resourceVersion == "0" else {
                throw APIError.badRequest("specifying resource version is not allowed when using continue")
            }
            let token = try ContinueToken(parsing: text)
            after = token.after
            if token.revision < 0 {
                (objects, revision) = store.list(resource.storage, namespace: namespace)
            } else {
                revision = token.revision
                do throws(StoreError) {
                    objects = try store.list(resource.storage, namespace: namespace, at: revision)
                } catch {
                    RequestScope.current?.offer(continueToken: ContinueToken(revision: -1, after: token.after).text)
                    throw APIError.expired(Registry.continueExpired)
                }
            }
        } else {
            (objects, revision) = try await versioned(resource, namespace, selection, options)
        }
        if let after {
            objects = Array(objects.drop { $0.key <= after })
        }
        return cut(objects, revision, selection, options.limit)
    }

    private func cut(_ objects: [StoredObject], _ revision: Int64, _ selection: Selection, _ limit: Int?) -> Page {
        guard let limit, limit > 0 else {
            return Page(
                objects: selection.isEverything ? objects : objects.filter { selection.matches($0) },
                revision: revision
            )
        }
        var chosen: [StoredObject] = []
        var position = objects.startIndex
        while position < objects.endIndex, chosen.count < limit {
            if selection.matches(objects[position]) { chosen.append(objects[position]) }
            position += 1
        }
        let rest = objects[position...]
        let isMore = selection.isEverything ? !rest.isEmpty : rest.contains { selection.matches($0) }
        guard isMore, let last = chosen.last else { return Page(objects: chosen, revision: revision) }
        return Page(
            objects: chosen,
            revision: revision,
            continueToken: ContinueToken(revision: revision, after: last.key).text,
            remaining: selection.isEverything ? rest.count : nil
        )
    }

    /// A first page by the rules of resourceVersion and resourceVersionMatch.
    private func versioned(
        _ resource: Resource,
        _ namespace: String,
        _ selection: Selection,
        _ options: ListOptions
    ) async throws -> ([StoredObject], Int64) {
        let match = options.resourceVersionMatch ?? ""
        let wanted = try Registry.revision(options.resourceVersion)
        if !match.isEmpty {
            var errors: [FieldError] = []
            if (options.resourceVersion ?? "").isEmpty {
                errors.append(
                    FieldError(
                        "resourceVersionMatch",
                        .forbidden,
                        "resourceVersionMatch is forbidden unless resourceVersion is provided"
                    )
                )
            } else if match != "Exact", match != "NotOlderThan" {
                errors.append(
                    FieldError(
                        "resourceVersionMatch",
                        .notSupported,
                        #"supported values: "Exact", "NotOlderThan", """#,
                        badValue: .string(match)
                    )
                )
            } else if match == "Exact", wanted == 0 {
                errors.append(
                    FieldError(
                        "resourceVersionMatch",
                        .forbidden,
                        #"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#
                    )
                )
            }
            if !errors.isEmpty { throw Registry.invalidListOptions(errors) }
        }
        if wanted > 0 { try await reach(wanted) }
        let isExact = match == "Exact" || (match.isEmpty && wanted > 0 && (options.limit ?? 0) > 0)
        if isExact {
            do throws(StoreError) {
                return (try store.list(resource.storage, namespace: namespace, at: wanted), wanted)
            } catch {
                throw APIError.expired("The resourceVersion for the provided list is too old.")
            }
        }
        // One object asked for by name needs no list.
        if let name = selection.name, !resource.type.isNamespaced || !namespace.isEmpty {
            let revision = store.revision
            let found = store.find(resource.storage, namespace: namespace, name: name)
            return (found.map { [$0] } ?? [], max(revision, found?.revision ?? 0))
        }
        return store.list(resource.storage, namespace: namespace)
    }

    /// Waits up to three seconds for a version that another reader has seen.
    func reach(_ revision: Int64) async throws {
        if store.revision >= revision { return }
        if await store.waitFor(revision, seconds: 3) { return }
        throw APIError(
            code: 504,
            reason: .timeout,
            message: "Timeout: Too large resource version: \(revision), current: \(store.revision)",
            causes: [APIError.Cause(reason: "ResourceVersionTooLarge", message: "Too large resource version")],
            retryAfterSeconds: 1
        )
    }

    /// 0 for nil, empty and "0".
    static func revision(_ text: String?) throws(APIError) -> Int64 {
        guard let text, !text.isEmpty else { return 0 }
        guard let revision = Int64(text), revision >= 0 else {
            throw APIError.badRequest(
                "Invalid value: \"\(text)\": strconv.ParseUint: parsing \"\(text)\": invalid syntax"
            )
        }
        return revision
    }

    static func invalidListOptions(_ errors: [FieldError]) -> APIError {
        let type = ResourceType(group: "meta.k8s.io", version: "v1", plural: "listoptions", kind: "ListOptions")
        return APIError.invalid(type, "", errors)
    }

    func notServed(_ subresource: String, _ resource: Resource) -> APIError { Registry.notServed }

    private static let continueExpired =
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
        + "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
        + "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
        + "deleted between the time the first chunk was returned and now may show up in the list."
}
