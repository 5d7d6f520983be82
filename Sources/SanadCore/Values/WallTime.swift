/// A wall clock's time as people read it.
public enum WallTime {
    private static let secondsOfDay: UInt64 = 86_400
    /// The calendar repeats itself after this many days.
    private static let daysOf400Years: UInt64 = 146_097

    /// RFC 3339 in UTC with milliseconds: `2026-03-01T08:05:00.250Z`. A year beyond 9999 has more
    /// digits.
    ///
    /// - Parameter milliseconds: since 1970-01-01T00:00:00Z, leap seconds not counted.
    public static func text(milliseconds: UInt64) -> String {
        let seconds = milliseconds / 1_000
        let (year, month, day) = date(daysSince1970: seconds / secondsOfDay)
        let second = seconds % secondsOfDay
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
            + "T\(padded(second / 3_600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
            + ".\(padded(milliseconds % 1_000, 3))Z"
    }

    /// The date in the Gregorian calendar. Counted in years that begin in March, so that the day
    /// that only some years have comes last.
    private static func date(
        daysSince1970 days: UInt64
    ) -> (year: UInt64, month: UInt64, day: UInt64) {
        // Days since 0000-03-01.
        let shifted = days + 719_468
        let era = shifted / daysOf400Years
        let dayOfEra = shifted % daysOf400Years
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // Months from March on have 153 days in each five.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
    }

    private static func padded(_ number: UInt64, _ digits: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}
