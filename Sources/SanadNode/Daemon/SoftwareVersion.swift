/// The version of this software, as `status` tells it.
public enum SoftwareVersion {
    public static let current = "0.1.0"
}
