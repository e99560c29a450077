internal import Hummingbird
internal import GRDB
internal import JWTKit
