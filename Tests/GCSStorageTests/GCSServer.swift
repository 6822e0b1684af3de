import Foundation
import GCSStorage
import HTTP
import Storage
import TestSupport

/// The server beside this file: its preconditions are as documented, which no emulator's are.
struct GCSServer {
    struct State: Decodable {
        var sessions: Int
        var objects: Int
        var tokens: Int
    }

    let process: ServerProcess
    private let http: HTTPClient

    init() async throws {
        process = try await ServerProcess(script: "server.py")
        http = try HTTPClient()
    }

    var url: String { "http://127.0.0.1:\(process.port)" }

    /// A store on it, its parts small; anonymous unless there is an environment to find credentials in.
    func open(
        environment: [String: String] = [:], _ adjust: (inout GCSConfiguration) -> Void = { _ in }
    ) async throws -> GCSStore {
        var configuration = GCSConfiguration(bucket: "bucket")
        configuration.endpoint = url
        configuration.createInProject = "project"
        configuration.partSize = 1 << 20
        configuration.retryBase = .milliseconds(40)
        if environment.isEmpty { configuration.credentials = .anonymous }
        adjust(&configuration)
        return try await GCSStore.open(configuration, environment: environment)
    }

    /// Each fault: method, part of the path, times, kind and what belongs to it.
    func fail(_ faults: [String: any Sendable]...) async throws {
        let body = try JSONSerialization.data(withJSONObject: faults.map { ["times": 1].merging($0) { $1 } })
        try await control("_faults", Array(body))
    }

    func control(_ name: String, _ body: [UInt8] = []) async throws {
        _ = try await http.send(HTTPRequest(.put, "\(url)/\(name)", body: .bytes(body)))
    }

    func state() async throws -> State {
        let response = try await http.send(HTTPRequest(.get, url + "/_state"))
        return try JSONDecoder().decode(State.self, from: Data(try await response.body.collect(upTo: 1 << 20)))
    }
}
