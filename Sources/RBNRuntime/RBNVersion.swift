/// The version of this package.
public enum RBNVersion {
  /// As in the changelog.
  public static let current = "0.1.0"
}
