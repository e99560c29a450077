internal import NIOPosix
internal import NIOSSL
