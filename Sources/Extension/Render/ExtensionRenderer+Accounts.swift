internal import KubeCore

extension ExtensionRenderer {
    /// The component's service account and what it may do.
    func accounts(_ component: Component) -> [RenderedObject] {
        let name = name(component)
        let labels = labels(component)
        var objects = [
            RenderedObject(
                .serviceAccounts,
                KubeObject(
                    .serviceAccounts,
                    namespace: Self.namespace,
                    name: name,
                    labels: labels,
                    // Pods that need the token say so themselves.
                    body: ["automountServiceAccountToken": false]
                )
            )
        ]
        let subjects: JSON = [
            ["kind": "ServiceAccount", "name": .string(name), "namespace": .string(Self.namespace)]
        ]
        if !component.clusterRules.isEmpty {
            let global = "outrigger:" + name
            objects.append(
                RenderedObject(
                    .clusterRoles,
                    KubeObject(
                        .clusterRoles,
                        name: global,
                        labels: labels,
                        body: ["rules": rules(component.clusterRules)]
                    )
                )
            )
            objects.append(
                RenderedObject(
                    .clusterRoleBindings,
                    KubeObject(
                        .clusterRoleBindings,
                        name: global,
                        labels: labels,
                        body: ["subjects": subjects, "roleRef": roleReference("ClusterRole", global)]
                    )
                )
            )
        }
        if !component.namespaceRules.isEmpty {
            objects.append(
                RenderedObject(
                    .roles,
                    KubeObject(
                        .roles,
                        namespace: Self.namespace,
                        name: name,
                        labels: labels,
                        body: ["rules": rules(component.namespaceRules)]
                    )
                )
            )
            objects.append(
                RenderedObject(
                    .roleBindings,
                    KubeObject(
                        .roleBindings,
                        namespace: Self.namespace,
                        name: name,
                        labels: labels,
                        body: ["subjects": subjects, "roleRef": roleReference("Role", name)]
                    )
                )
            )
        }
        return objects
    }

    private func roleReference(_ kind: String, _ name: String) -> JSON {
        ["apiGroup": "rbac.authorization.k8s.io", "kind": .string(kind), "name": .string(name)]
    }

    private func rules(_ rules: [Component.Rule]) -> JSON { .array(rules.map(\.json)) }

    func services(_ component: Component) -> [RenderedObject] {
        component.services.map { service in
            let ports = service.ports.filter { isOpen($0.condition) }
            var spec: [String: JSON] = [
                "selector": JSON(selector(component)), "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "ports": .array(
                    ports.map { port in
                        [
                            "name": .string(port.name), "port": JSON(port.port), "targetPort": .string(port.targetPort),
                            "protocol": "TCP",
                        ]
                    }
                ),
            ]
            var annotations: [String: String] = [:]
            if service.isRouter {
                let type = input.settings.inferenceRouterServiceType ?? .clusterIP
                spec["type"] = .string(type.rawValue)
                if type != .clusterIP { spec["externalTrafficPolicy"] = "Cluster" }
                if input.settings.internalLoadBalancerProvider != nil, type == .loadBalancer {
                    annotations["service.beta.kubernetes.io/azure-load-balancer-internal"] = "true"
                }
            } else {
                spec["type"] = "ClusterIP"
                if service.isHeadless { spec["clusterIP"] = "None" }
            }
            return RenderedObject(
                .services,
                KubeObject(
                    .services,
                    namespace: Self.namespace,
                    name: service.name,
                    labels: labels(component),
                    annotations: annotations,
                    body: ["spec": .object(spec)]
                )
            )
        }
    }
}
