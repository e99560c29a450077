internal import Foundation
internal import KubeCore
internal import Logging

/// What all pod workers of a node share.
struct PodEnvironment: Sendable {
    let configuration: NodeAgentConfiguration
    let paths: NodePaths
    let api: any ResourceAPI
    let runtime: ContainerRuntime
    let sandbox: SandboxRuntime
    let volumes: VolumeRuntime
    let images: ImageStore
    let objects: any PodObjects
    let tokens: TokenCache
    let preparation: ContainerPreparation
    let probes: ProbeRunner
    let events: EventSink
    let gpus: GPUAllocator
    let watcher: ExitWatcher
    let logger: Logger

    /// Seconds since 1970.
    var now: Double { Date.now.timeIntervalSince1970 }

    func content(_ pod: PodModel, podIP: String?) -> VolumeContent {
        VolumeContent(pod: pod, fields: preparation.fields(pod, podIP: podIP), objects: objects, tokens: tokens)
    }
}
