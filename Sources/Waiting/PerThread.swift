import Glibc

/// One object for each thread that asks for it; it goes with the thread.
package struct PerThread<Value: AnyObject> {
    private let key: pthread_key_t

    package init() {
        var key = pthread_key_t()
        pthread_key_create(&key) { pointer in
            if let pointer { Unmanaged<AnyObject>.fromOpaque(pointer).release() }
        }
        self.key = key
    }

    /// This thread's; nil before it was asked to make one.
    package var existing: Value? {
        pthread_getspecific(key).map { Unmanaged<Value>.fromOpaque($0).takeUnretainedValue() }
    }

    /// This thread's, which `make` makes the first time.
    package func value(_ make: () -> Value) -> Value {
        if let existing { return existing }
        let value = make()
        pthread_setspecific(key, Unmanaged.passRetained(value).toOpaque())
        return value
    }
}
