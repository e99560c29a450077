internal import KubeCore
internal import KubeStore
internal import Logging

extension Registry {
    static let definitionStorage = "customresourcedefinitions.apiextensions.k8s.io"

    /// Serves the kinds of all stored definitions; called once at start.
    func loadDefinitions() {
        for stored in store.list(Registry.definitionStorage).objects { register(definition: stored.object) }
    }

    /// Serves what an established definition defines, in place of what it defined before.
    func register(definition: KubeObject) {
        guard definition.isConditionTrue("Established") else {
            table.replace(definition: definition.name, with: [])
            return
        }
        let kinds: [Kind]
        do throws(SchemaCompileError) {
            kinds = try Kind.compile(definition: definition)
        } catch {
            // It was checked before it was stored; only a changed rule of ours gets here. Its old kinds stay.
            configuration.logger.error(
                "custom resource definition does not compile",
                metadata: ["name": "\(definition.name)", "error": "\(error)"]
            )
            return
        }
        let index = kinds.first { $0.type.version == $0.storageVersion }.map(Registry.fieldIndex)
        let resources = kinds.map { kind in
            var storageType = kind.type
            storageType.version = kind.storageVersion
            return Resource(
                kind: kind,
                storage: storageType.groupResource,
                storageType: storageType,
                strategy: CustomStrategy(),
                conversion: storageType == kind.type
                    ? .same : .apiVersion(served: kind.type.apiVersion, kept: storageType.apiVersion),
                index: index ?? Registry.fieldIndex(kind),
                definitionName: definition.name,
                isTerminating: definition.isTerminating
            )
        }
        table.replace(definition: definition.name, with: resources)
    }

    /// Deletes the objects of a definition that is being deleted; lets the definition go when none is left.
    func cleanUp(definition name: String) async {
        guard let stored = store.find(Registry.definitionStorage, namespace: "", name: name), stored.isTerminating,
            stored.object.finalizers.contains(DefinitionStrategy.cleanupFinalizer)
        else { return }
        do {
            if let resource = table.all.first(where: { $0.definitionName == name }) {
                for object in store.list(resource.storage).objects where !object.isTerminating {
                    do {
                        _ = try await remove(
                            resource,
                            object.namespace,
                            object.name,
                            DeleteOptions(),
                            isHookAsked: false
                        )
                    } catch let error as APIError where error.isNotFound {}
                }
                // Objects with finalizers end later; `run` looks again.
                if store.count(resource.storage) > 0 { return }
            }
            let definitions = try resource(.customResourceDefinitions)
            _ = try await change(definitions, "", name, nil, WriteOptions(), isHookAsked: false) { definition in
                var done = definition
                done.finalizers.removeAll { $0 == DefinitionStrategy.cleanupFinalizer }
                return done
            }
        } catch let error as APIError where error.isNotFound || error.isConflict {
        } catch {
            configuration.logger.warning(
                "deleting custom resources failed, trying again",
                metadata: ["definition": "\(name)", "error": "\(error)"]
            )
        }
    }
}
