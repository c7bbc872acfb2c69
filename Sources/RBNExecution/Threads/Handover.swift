import CRBNKernels

/// Tells ThreadSanitizer that what one thread wrote before ``give(_:)`` may be read by another after ``take(_:)``, where it
/// can't see so itself: when the runtime resumes a task. In builds without it nothing is done.
package enum Handover {
  package static func give(_ object: AnyObject) {
    rbn_note_release(Unmanaged.passUnretained(object).toOpaque())
  }

  package static func take(_ object: AnyObject) {
    rbn_note_acquire(Unmanaged.passUnretained(object).toOpaque())
  }
}
