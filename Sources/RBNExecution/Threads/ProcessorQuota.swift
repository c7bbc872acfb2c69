import CRBNKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How many processors this process may keep busy.
package enum ProcessorQuota {
  /// The smaller of the affinity mask's count and the control group's CPU quota, rounded up; at least 1.
  package static let processorCount: Int = {
    var count = affinityCount ?? onlineCount
    if let quota = controlGroupQuota(read: text(ofFile:)) { count = min(count, quota) }
    return max(count, 1)
  }()

  private static var onlineCount: Int { max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1) }

  private static var affinityCount: Int? {
    let count = Int(rbn_affinity_count())
    return count > 0 ? count : nil
  }

  /// The tightest CPU quota on the way from this process's control groups up to their roots, in whole processors.
  ///
  /// - Parameter read: The text of a file, or `nil` when it can't be read.
  /// - Returns: `nil` when there is no quota.
  package static func controlGroupQuota(read: (String) -> String?) -> Int? {
    var smallest: Int?
    func note(_ quota: Int?) {
      if let quota { smallest = min(smallest ?? quota, quota) }
    }
    for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
      // hierarchy-ID:controller-list:path; version 2 has the ID 0 and no controllers.
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let path = String(fields[2])
      if fields[0] == "0", fields[1].isEmpty {
        for folder in ancestors(of: path) {
          note(quota(cpuMax: read("/sys/fs/cgroup\(folder)/cpu.max")))
        }
      } else if fields[1].split(separator: ",").contains("cpu") {
        for folder in ancestors(of: path) {
          let base = "/sys/fs/cgroup/cpu\(folder)"
          note(quota(read("\(base)/cpu.cfs_quota_us"), read("\(base)/cpu.cfs_period_us")))
        }
      }
    }
    return smallest
  }

  /// `/a/b`, `/a` and the empty string for `/a/b`.
  private static func ancestors(of path: String) -> [String] {
    var parts = path.split(separator: "/")
    var folders: [String] = []
    while !parts.isEmpty {
      folders.append("/" + parts.joined(separator: "/"))
      parts.removeLast()
    }
    return folders + [""]
  }

  /// Version 2: `<quota> <period>`, or `max <period>`.
  private static func quota(cpuMax text: String?) -> Int? {
    let fields = (text ?? "").split { $0 == " " || $0 == "\n" }
    guard fields.count == 2 else { return nil }
    return quota(String(fields[0]), String(fields[1]))
  }

  private static func quota(_ quota: String?, _ period: String?) -> Int? {
    func number(_ text: String?) -> Double? { text.flatMap { Double($0.filter { !$0.isWhitespace }) } }
    guard let quota = number(quota), let period = number(period), quota > 0, period > 0 else { return nil }
    return Int(exactly: min((quota / period).rounded(.up), 65536))
  }

  /// The first bytes of a small file.
  private static func text(ofFile path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let length = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
    return length > 0 ? String(decoding: bytes.prefix(length), as: UTF8.self) : nil
  }
}
