/// An error that is told to the person who runs the bench, as it is.
struct Failure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
