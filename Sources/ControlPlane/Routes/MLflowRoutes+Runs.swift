internal import ControlPlaneAPI
internal import KubeCore

extension MLflowRoutes {
    func registerRuns(_ routes: inout RouteTable) {
        MLflowRoutes.add(&routes, core, "POST", "/runs/create") { service, body, t in
            ["run": try service.json(try service.createRun(body, t), t)]
        }
        MLflowRoutes.add(&routes, core, "GET", "/runs/get", isRead: true) { service, body, t in
            ["run": try service.json(try service.run(MLflowService.runID(body), t), t)]
        }
        MLflowRoutes.add(&routes, core, "POST", "/runs/update") { service, body, t in
            ["run_info": service.info(try service.updateRun(body, t))]
        }
        for (action, lifecycle) in [("delete", "deleted"), ("restore", "active")] {
            MLflowRoutes.add(&routes, core, "POST", "/runs/" + action) { service, body, t in
                var run = try service.writableRun(MLflowService.runID(body), t, needsActive: false)
                run.lifecycle = lifecycle
                try t.update(run)
                return [:]
            }
        }
        MLflowRoutes.add(&routes, core, "POST", "/runs/search", isRead: true) { service, body, t in
            let (page, next) = try MLflowSearch.page(try MLflowSearch.runs(service, body, t), body)
            return MLflowRoutes.list("runs", try page.map { try service.json($0, t) }, next)
        }
        MLflowRoutes.add(&routes, core, "POST", "/runs/log-metric") { service, body, t in
            let run = try service.writableRun(MLflowService.runID(body), t)
            try t.log(run.id, try MLflowService.readMetric(body))
            return [:]
        }
        MLflowRoutes.add(&routes, core, "POST", "/runs/log-parameter") { service, body, t in
            let run = try service.writableRun(MLflowService.runID(body), t)
            try t.logParam(run.id, key: body["key"]?.stringValue ?? "", value: MLflowService.text(body["value"]) ?? "")
            return [:]
        }
        MLflowRoutes.add(&routes, core, "POST", "/runs/set-tag") { service, body, t in
            let run = try service.writableRun(MLflowService.runID(body), t)
            try t.setTag(run.id, key: body["key"]?.stringValue ?? "", value: MLflowService.text(body["value"]) ?? "")
            return [:]
        }
        MLflowRoutes.add(&routes, core, "POST", "/runs/delete-tag") { service, body, t in
            let run = try service.writableRun(MLflowService.runID(body), t)
            try t.removeTag(run.id, key: body["key"]?.stringValue ?? "")
            return [:]
        }
        for path in ["/runs/log-batch", "/runs/log-batch-async"] {
            MLflowRoutes.add(&routes, core, "POST", path) { service, body, t in
                try service.logBatch(body, t)
                return [:]
            }
        }
        registerMore(&routes)
    }

    private func registerMore(_ routes: inout RouteTable) {
        MLflowRoutes.add(&routes, core, "POST", "/runs/log-model") { service, body, t in
            // MLflow 2 keeps the history of models as a tag.
            let run = try service.writableRun(MLflowService.runID(body), t)
            let model = Transaction.parsed(body["model_json"]?.stringValue ?? "{}")
            let old = try t.tags(run.id).first { $0.key == "mlflow.log-model.history" }?.value ?? "[]"
            var history = Transaction.parsed(old).arrayValue ?? []
            history.append(model)
            try t.setTag(run.id, key: "mlflow.log-model.history", value: JSON.array(history).text)
            return [:]
        }
        MLflowRoutes.add(&routes, core, "POST", "/runs/log-inputs") { service, body, t in
            var run = try service.writableRun(MLflowService.runID(body), t)
            let datasets =
                (run.extra[path: "inputs", "dataset_inputs"]?.arrayValue ?? []) + (body["datasets"]?.arrayValue ?? [])
            let models =
                (run.extra[path: "inputs", "model_inputs"]?.arrayValue ?? []) + (body["models"]?.arrayValue ?? [])
            run.extra[path: "inputs", "dataset_inputs"] = .array(datasets)
            run.extra[path: "inputs", "model_inputs"] = .array(models)
            try t.update(run)
            return [:]
        }
        MLflowRoutes.add(&routes, core, "POST", "/runs/outputs") { service, body, t in
            var run = try service.writableRun(MLflowService.runID(body), t)
            let models =
                (run.extra[path: "outputs", "model_outputs"]?.arrayValue ?? []) + (body["models"]?.arrayValue ?? [])
            run.extra[path: "outputs", "model_outputs"] = .array(models)
            try t.update(run)
            return [:]
        }
        MLflowRoutes.add(&routes, core, "GET", "/metrics/get-history", isRead: true) { service, body, t in
            let run = try service.run(MLflowService.runID(body), t)
            let limit = max(1, min(MLflowService.integer(body["max_results"]) ?? 25000, 25000))
            let token = body["page_token"]?.stringValue ?? ""
            guard let offset = token.isEmpty ? 0 : Int(token), offset >= 0 else {
                throw ARMError.invalid("page_token", "Invalid page token '\(token)'.")
            }
            let metrics = try t.history(
                run.id,
                key: body["metric_key"]?.stringValue ?? "",
                limit: limit,
                offset: offset
            )
            return MLflowRoutes.list(
                "metrics",
                metrics.map(MLflowService.metric),
                metrics.count == limit ? String(offset + limit) : nil
            )
        }
        MLflowRoutes.add(&routes, core, "GET", "/metrics/get-history-bulk-interval", isRead: true) { service, body, t in
            var items: [JSON] = []
            for id in body["run_ids"]?.stringArray ?? [] {
                let run = try service.run(id, t)
                let limit = max(1, min(MLflowService.integer(body["max_results"]) ?? 2500, 2500))
                for metric in try t.history(run.id, key: body["metric_key"]?.stringValue ?? "", limit: limit, offset: 0)
                {
                    var item = MLflowService.metric(metric)
                    item["run_id"] = .string(run.id)
                    items.append(item)
                }
            }
            return ["metrics": .array(items)]
        }
        MLflowRoutes.add(&routes, core, "GET", "/runs/get-run-data-status", isRead: true) { _, _, _ in
            ["status": "COMPLETED"]
        }
    }
}
