import Glibc
import Storage

/// A TCP socket. Its calls wait, until a deadline: they are for threads that may.
final class Socket: Sendable {
    let descriptor: Int32

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// - Throws: `unavailable` where the address can't be listened on.
    static func listening(on address: ListenAddress) throws(StorageError) -> Socket {
        let socket = Socket(stream(address.isVersion6 ? AF_INET6 : AF_INET))
        // Every address, on a machine without those of version 6.
        if socket.descriptor < 0, address.host == "::", let other = ListenAddress(host: "0.0.0.0", port: address.port) {
            return try listening(on: other)
        }
        socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        if address.isVersion6 { socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        guard socket.descriptor >= 0, socket.bind(to: address), listen(socket.descriptor, 128) == 0 else {
            let reason = String(cString: strerror(errno))
            throw StorageError(
                .unavailable, "the HTTP port can't listen on \(address): \(reason); free it, or name another")
        }
        return socket
    }

    private static func stream(_ family: Int32) -> Int32 {
        Glibc.socket(family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    }

    private func bind(to address: ListenAddress) -> Bool {
        if address.isVersion6 {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = address.port.bigEndian
            return inet_pton(AF_INET6, address.host, &name.sin6_addr) == 1 && bind(&name)
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = address.port.bigEndian
        return inet_pton(AF_INET, address.host, &name.sin_addr) == 1 && bind(&name)
    }

    private func bind<Name>(_ name: inout Name) -> Bool {
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<Name>.size)) == 0
            }
        }
    }

    private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The port listened on.
    var port: UInt16 {
        var name = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let known = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
        }
        // The port lies at the same place in both kinds of names.
        return known ? UInt16(bigEndian: name.sin6_port) : 0
    }

    /// The next connection; nil where there is none, or none can be taken.
    func accept() -> Socket? {
        let connection = Glibc.accept(descriptor, nil, nil)
        guard connection >= 0 else { return nil }
        let socket = Socket(connection)
        guard fcntl(connection, F_SETFL, O_NONBLOCK) == 0, fcntl(connection, F_SETFD, FD_CLOEXEC) == 0 else {
            return nil
        }
        socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        // What the system keeps for a peer that does not read.
        socket.set(SOL_SOCKET, SO_SNDBUF, 128 << 10)
        return socket
    }

    /// Up to `count` bytes; empty at the end, nil at the deadline, as soon as `wake` is readable and nothing has come, or
    /// where the connection broke.
    func read(_ count: Int, until deadline: ContinuousClock.Instant, or wake: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        while wait(for: POLLIN, until: deadline, or: wake) {
            let received = recv(descriptor, &buffer, count, 0)
            if received >= 0 { return Array(buffer.prefix(received)) }
            guard errno == EAGAIN || errno == EINTR else { return nil }
        }
        return nil
    }

    /// Whether all of it was handed over before the deadline.
    func write(_ bytes: [UInt8], until deadline: ContinuousClock.Instant) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent > 0 {
                rest = rest.dropFirst(sent)
            } else {
                guard errno == EAGAIN || errno == EINTR, wait(for: POLLOUT, until: deadline) else { return false }
            }
        }
        return true
    }

    /// Says that nothing more comes, and reads what the peer still sends for a while, so that the system does not take the
    /// end of the reply back.
    func finish(until deadline: ContinuousClock.Instant, or wake: Int32) {
        shutdown(descriptor, Int32(SHUT_WR))
        var rest = 256 << 10
        while rest > 0, let bytes = read(16 << 10, until: deadline, or: wake), !bytes.isEmpty { rest -= bytes.count }
    }

    /// Ends whatever waits for the peer.
    func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Whether it is ready before the deadline, and before `wake` is readable; there is none below 0.
    private func wait(for event: Int32, until deadline: ContinuousClock.Instant, or wake: Int32 = -1) -> Bool {
        let left = deadline - .now
        guard left > .zero else { return false }
        var descriptors = [
            pollfd(fd: descriptor, events: Int16(event), revents: 0),
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
        ]
        // Woken by a signal, or a little early, it is asked again.
        let count = poll(&descriptors, 2, Int32(clamping: Int(left.seconds * 1000) + 1))
        if count > 0, descriptors[0].revents == 0 { return false }
        return count > 0 || (count < 0 && errno == EINTR) || ContinuousClock.now < deadline
    }

    /// Returns when there is a connection to be accepted, or `wake` is readable.
    func waitForConnection(or wake: Int32) {
        var descriptors = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&descriptors, 2, -1)
    }
}
