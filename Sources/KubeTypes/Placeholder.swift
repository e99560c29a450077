internal import KubeCore
