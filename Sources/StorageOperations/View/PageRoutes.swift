import Encodings
import NATS
import Storage
import StorageService

extension Operations {
    /// Nothing is loaded from elsewhere, nothing runs that did not come from here, and nobody frames it.
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// The page and what it asks for.
    func page(_ request: WebRequest) async -> WebResponse {
        switch request.path {
        case "/": return Self.file("text/html; charset=utf-8", PackageResources.index_html)
        case "/page.css": return Self.file("text/css; charset=utf-8", PackageResources.page_css)
        case "/page.js": return Self.file("text/javascript; charset=utf-8", PackageResources.page_js)
        case "/live": return live()
        case "/keys": return await keys(request.query)
        default: return .failure(404)
        }
    }

    private static func file(_ type: String, _ bytes: [UInt8]) -> WebResponse {
        var response = WebResponse(200, type, .bytes(bytes))
        response.headers = [("Content-Security-Policy", policy)]
        return response
    }

    /// What happens, as Server-Sent Events.
    private func live() -> WebResponse {
        guard let viewer = feed.view() else { return .text("too many pages are open; close one\n", status: 503) }
        let view = LiveView(self, viewer)
        return WebResponse(200, "text/event-stream", .stream(AsyncStream { await view.next() }))
    }

    /// A page of a store's keys; `prefix` up to the next `/`.
    private func keys(_ query: [String: String]) async -> WebResponse {
        guard browses else {
            return .text("keys are not shown here; http.browse in the configuration says so\n", status: 403)
        }
        guard let watched = instances.first(where: { $0.instance.monitor.instance == query["instance"] }) else {
            return .failure(404)
        }
        let list = ListQuery(
            prefix: query["prefix"] ?? "", delimiter: "/", startAfter: query["after"], limit: 200, details: true)
        let listing = Task { () async -> Result<ListPage, StorageError> in
            do throws(StorageError) {
                return .success(try await watched.instance.store.list(list))
            } catch {
                return .failure(error)
            }
        }
        let timer = Timeouts.shared.schedule(after: .seconds(5)) { listing.cancel() }
        defer { Timeouts.shared.cancel(timer) }
        switch await listing.value {
        case .success(let page): return .json(page.json)
        case .failure(let error): return .text("\(error)\n", status: error.kind == .invalid ? 400 : 503)
        }
    }
}

extension ListPage {
    /// `{"prefixes", "objects": [{"key", "size", "modified", "content_type"?}], "next"?}`
    fileprivate var json: [UInt8] {
        var writer = JSONWriter(reserving: 4096)
        writer.object { writer in
            writer.field("prefixes", prefixes)
            writer.array("objects") { writer in
                for info in objects ?? [] {
                    writer.object { writer in
                        writer.field("key", info.key.rawValue)
                        writer.field("size", info.size)
                        writer.field("modified", RFC3339.format(info.modified))
                        if let type = info.attributes.contentType { writer.field("content_type", type) }
                    }
                }
            }
            if let next { writer.field("next", next) }
        }
        return writer.bytes
    }
}
