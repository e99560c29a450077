internal import Dispatch
internal import KubeCore
internal import KubeStore
internal import Logging

extension Registry {
    /// What the registry does by itself: ends deleted definitions and old Events.
    ///
    /// Returns when the store is closed or the
    /// task is cancelled.
    package func run() async {
        let cursor = store.cursor(Registry.definitionStorage, after: store.revision)
        var nextExpiry = DispatchTime.now().uptimeNanoseconds + 60_000_000_000
        while true {
            var isWaiting = false
            for definition in store.list(Registry.definitionStorage).objects where definition.isTerminating {
                await cleanUp(definition: definition.name)
                isWaiting = true
            }
            let now = DispatchTime.now().uptimeNanoseconds
            if now >= nextExpiry {
                await expireEvents()
                nextExpiry = now + 60_000_000_000
            }
            let deadline = isWaiting ? min(nextExpiry, now + 1_000_000_000) : nextExpiry
            do throws(StoreError) {
                if case .closed = try await cursor.next(deadline: deadline) { return }
            } catch {
                // Only after a flood of definitions; the list above is read again anyway.
                cursor.move(to: store.revision)
            }
        }
    }

    /// Keeps the quotas' status true while there are quotas; ends as `run` does.
    package func runQuotas() async {
        let cursor = store.cursor("resourcequotas", after: store.revision)
        while !Task.isCancelled {
            await updateQuotaStatus()
            let second = DispatchTime.now().uptimeNanoseconds + 1_000_000_000
            do throws(StoreError) {
                // Without quotas nothing needs to be counted until one is made.
                let deadline = store.count("resourcequotas") > 0 ? second : nil
                if case .closed = try await cursor.next(deadline: deadline) { return }
            } catch {
                cursor.move(to: store.revision)
            }
        }
    }

    func expireEvents() async {
        guard let resource = table.find(.events) else { return }
        let limit = configuration.clock() - Double(configuration.eventSeconds)
        for stored in store.list(resource.storage).objects {
            let event = stored.object
            let texts = [
                event["lastTimestamp"], event["series", "lastObservedTime"], event["eventTime"],
                event["metadata", "creationTimestamp"],
            ].compactMap { $0?.stringValue }
            guard let last = texts.compactMap(Timestamp.seconds).max(), last < limit else { continue }
            do {
                _ = try await remove(resource, stored.namespace, stored.name, DeleteOptions(), isHookAsked: false)
            } catch let error as APIError where error.isNotFound {
            } catch {
                configuration.logger.warning("expiring events failed", metadata: ["error": "\(error)"])
                return
            }
        }
    }
}
