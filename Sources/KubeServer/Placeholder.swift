internal import NIOPosix
internal import NIOWebSocket
internal import NIOSSL
internal import X509
internal import JWTKit
