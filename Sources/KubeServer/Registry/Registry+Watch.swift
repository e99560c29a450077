package import KubeCore
internal import KubeStore

extension Registry {
    package func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream {
        let pump = try await pump(type, namespace, options)
        return WatchStream { try await pump.next()?.event }
    }

    /// A watch as bytes: each element is one or more `{"object":…,"type":…}` lines that are ready now.
    ///
    /// Without `timeoutSeconds` it ends after 30 to 60 minutes. A version that is too old throws 410 when it is read: send
    /// that as an ERROR event.
    package func watchBytes(
        _ type: ResourceType,
        namespace: String?,
        options: WatchOptions
    ) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let pump = try await watchBatches(type, namespace: namespace, options: options)
        return AsyncThrowingStream {
            guard let items = try await pump.nextBatch() else { return nil }
            var lines: [UInt8] = []
            for item in items { item.appendLine(to: &lines) }
            return lines
        }
    }

    /// As `watchBytes`, with the events apart, for Tables and partial objects.
    package func watchBatches(
        _ type: ResourceType,
        namespace: String?,
        options: WatchOptions
    ) async throws -> WatchPump {
        var options = options
        if options.timeoutSeconds == nil { options.timeoutSeconds = Int.random(in: 1800...3600) }
        return try await pump(type, namespace, options)
    }

    private func pump(_ type: ResourceType, _ namespace: String?, _ options: WatchOptions) async throws -> WatchPump {
        let resource = try resource(type)
        let namespace = resource.type.isNamespaced ? namespace ?? "" : ""
        let selection = try Selection(
            resource,
            labelSelector: options.labelSelector,
            fieldSelector: options.fieldSelector
        )
        try Registry.validate(options)
        let wanted = try Registry.revision(options.resourceVersion)
        let isWatchList = options.sendInitialEvents == true
        if isWatchList, wanted > 0 { try await reach(wanted) }
        var initial: [StoredObject]?
        var start = wanted
        if isWatchList || (wanted == 0 && options.sendInitialEvents == nil) {
            let (objects, revision) = store.list(resource.storage, namespace: namespace)
            initial = selection.isEverything ? objects : objects.filter { selection.matches($0) }
            start = revision
        } else if wanted == 0 {
            start = store.revision
        }
        return WatchPump(
            resource: resource,
            selection: selection,
            initial: initial,
            isWatchList: isWatchList,
            revision: start,
            cursor: store.cursor(resource.storage, namespace: namespace, after: start),
            options: options
        )
    }

    private static func validate(_ options: WatchOptions) throws(APIError) {
        var errors: [FieldError] = []
        let match = options.resourceVersionMatch ?? ""
        if options.sendInitialEvents == nil, !match.isEmpty {
            errors.append(
                FieldError(
                    "resourceVersionMatch",
                    .forbidden,
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
                )
            )
        }
        if options.sendInitialEvents != nil {
            if match.isEmpty {
                errors.append(
                    FieldError(
                        "resourceVersionMatch",
                        .forbidden,
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                    )
                )
            } else if match != "NotOlderThan" {
                errors.append(
                    FieldError(
                        "resourceVersionMatch",
                        .notSupported,
                        #"supported values: "NotOlderThan""#,
                        badValue: .string(match)
                    )
                )
            }
        }
        if let seconds = options.timeoutSeconds, seconds < 0 {
            errors.append(FieldError("timeoutSeconds", .invalid, "must be non-negative", badValue: JSON(seconds)))
        }
        if !errors.isEmpty { throw invalidListOptions(errors) }
    }
}
