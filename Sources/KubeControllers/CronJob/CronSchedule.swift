internal import Foundation

/// Why a schedule cannot be read.
struct CronScheduleError: Error, CustomStringConvertible {
    var text: String
    var detail: String
    var description: String { "schedule \"\(text)\": \(detail)" }
}

/// A schedule of five fields (minute, hour, day of month, month, day of week) or a macro such as `@daily`.
struct CronSchedule: Sendable {
    private enum Rule: Sendable {
        case fields(
            minutes: Set<Int>,
            hours: Set<Int>,
            days: Set<Int>,
            months: Set<Int>,
            weekdays: Set<Int>,
            either: Bool
        )
        case every(seconds: Int)
    }

    private let rule: Rule
    private let calendar: Calendar

    /// - `timeZone`: IANA name; nil is UTC.
    init(_ text: String, timeZone: String?) throws(CronScheduleError) {
        var calendar = Calendar(identifier: .gregorian)
        if let timeZone {
            guard let zone = TimeZone(identifier: timeZone) else {
                throw CronScheduleError(text: text, detail: "unknown time zone \(timeZone)")
            }
            calendar.timeZone = zone
        } else {
            calendar.timeZone = .gmt
        }
        self.calendar = calendar
        if text.hasPrefix("@every ") {
            let amount = text.dropFirst(7)
            let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
            guard let unit = amount.last.flatMap({ units[$0] }), let count = Int(amount.dropLast()), count > 0 else {
                throw CronScheduleError(text: text, detail: "expected a duration such as 1h")
            }
            rule = .every(seconds: count * unit)
            return
        }
        let macros = [
            "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
            "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
        ]
        let parts = (macros[text] ?? text).split(separator: " ").map(String.init)
        guard parts.count == 5 else {
            throw CronScheduleError(text: text, detail: "expected 5 fields, found \(parts.count)")
        }
        let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        let weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
        let minutes = try Self.field(parts[0], 0...59, [:], text)
        let hours = try Self.field(parts[1], 0...23, [:], text)
        let days = try Self.field(parts[2], 1...31, [:], text)
        let monthSet = try Self.field(parts[3], 1...12, Self.names(months, from: 1), text)
        var weekdaySet = try Self.field(parts[4], 0...7, Self.names(weekdays, from: 0), text)
        if weekdaySet.remove(7) != nil { weekdaySet.insert(0) }
        // With both restricted, either one is enough.
        let either = !parts[2].hasPrefix("*") && !parts[4].hasPrefix("*")
        rule = .fields(
            minutes: minutes,
            hours: hours,
            days: days,
            months: monthSet,
            weekdays: weekdaySet,
            either: either
        )
    }

    private static func names(_ list: [String], from first: Int) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: list.enumerated().map { ($0.element, $0.offset + first) })
    }

    private static func field(
        _ text: String,
        _ range: ClosedRange<Int>,
        _ names: [String: Int],
        _ whole: String
    ) throws(CronScheduleError) -> Set<Int> {
        var result: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", maxSplits: 1)
            guard let base = pieces.first else { throw CronScheduleError(text: whole, detail: "an empty field") }
            var step = 1
            if pieces.count == 2 {
                guard let number = Int(pieces[1]), number > 0 else {
                    throw CronScheduleError(text: whole, detail: "the step \(pieces[1]) is no positive number")
                }
                step = number
            }
            var bounds = range
            if base != "*", base != "?" {
                let ends = base.split(separator: "-", maxSplits: 1).map { names[$0.lowercased()] ?? Int($0) }
                guard let low = ends.first ?? nil, range.contains(low) else {
                    throw CronScheduleError(
                        text: whole,
                        detail: "\(base) is not within \(range.lowerBound)-\(range.upperBound)"
                    )
                }
                let high = ends.count == 2 ? ends[1] : (pieces.count == 2 ? range.upperBound : low)
                guard let high, high >= low, range.contains(high) else {
                    throw CronScheduleError(
                        text: whole,
                        detail: "\(base) is not within \(range.lowerBound)-\(range.upperBound)"
                    )
                }
                bounds = low...high
            }
            result.formUnion(stride(from: bounds.lowerBound, through: bounds.upperBound, by: step))
        }
        return result
    }

    /// The first time after `time`, both in seconds since 1970; nil when there is none within five years.
    func next(after time: Double) -> Double? {
        switch rule {
        case .every(let seconds): return (time / Double(seconds)).rounded(.down) * Double(seconds) + Double(seconds)
        case .fields(let minutes, let hours, let days, let months, let weekdays, let either):
            var date = Date(timeIntervalSince1970: ((time / 60).rounded(.down) + 1) * 60)
            let end = date.addingTimeInterval(5 * 366 * 86400)
            while date < end {
                let parts = calendar.dateComponents([.month, .day, .weekday, .hour, .minute], from: date)
                guard let month = parts.month, let day = parts.day, let weekday = parts.weekday, let hour = parts.hour,
                    let minute = parts.minute
                else { return nil }
                let isDay =
                    either
                    ? days.contains(day) || weekdays.contains(weekday - 1)
                    : days.contains(day) && weekdays.contains(weekday - 1)
                if !months.contains(month) || !isDay {
                    guard let next = calendar.date(byAdding: .day, value: 1, to: calendar.startOfDay(for: date)) else {
                        return nil
                    }
                    date = next
                } else if !hours.contains(hour) {
                    date = date.addingTimeInterval(Double(3600 - minute * 60))
                } else if !minutes.contains(minute) {
                    date = date.addingTimeInterval(60)
                } else {
                    return date.timeIntervalSince1970
                }
            }
            return nil
        }
    }
}
