/// The page at `/`: what a person on call wants to see first, in English, French and Arabic. It
/// loads nothing from elsewhere and refreshes itself.
enum StatusPage {
    static func html(_ view: OperationsView) -> String {
        let status = view.status
        let failures = HealthCheck.allCases.compactMap { check in
            check.failure(view).map { "\(check.rawValue): \($0)" }
        }
        let rows = rows(view).map { label, french, arabic, value in
            "<tr><th>\(label)<br><small>\(french) · <bdi lang=\"ar\">\(arabic)</bdi></small></th>"
                + "<td>\(escaped(value))</td></tr>"
        }
        let state =
            failures.isEmpty
            ? "<p class=\"good\">✔ Ready · Prêt · <bdi lang=\"ar\">جاهز</bdi></p>"
            : "<p class=\"bad\">✘ Not ready · Pas prêt · <bdi lang=\"ar\">غير جاهز</bdi></p><ul>"
                + failures.map { "<li>\(escaped($0))</li>" }.joined() + "</ul>"
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="refresh" content="5">
            <meta name="viewport" content="width=device-width">
            <title>\(escaped(status.node)): \(escaped(status.role)) · Sanad</title>
            <style>
            body { font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 46em; padding: 0 1em }
            th { text-align: start; font-weight: 600; padding: .3em 1.5em .3em 0 }
            td { font-variant-numeric: tabular-nums }
            small { font-weight: 400; opacity: .7 }
            .good { color: #087f23 } .bad { color: #b00020; font-weight: 700 }
            </style>
            </head>
            <body>
            <h1>\(escaped(status.node)) <small>\(escaped(status.cluster))</small></h1>
            \(state)
            <table>
            \(rows.joined(separator: "\n"))
            </table>
            <p><a href="/status">/status</a> · <a href="/metrics">/metrics</a> ·
            <a href="/readyz?verbose">/readyz</a> · <a href="/livez?verbose">/livez</a></p>
            </body>
            </html>

            """
    }

    private typealias Row = (label: String, french: String, arabic: String, value: String)

    private static func rows(_ view: OperationsView) -> [Row] {
        let status = view.status
        let lag = status.lag
        let unknown = "unknown · inconnu · غير معروف"
        return [
            ("Role", "Rôle", "الدور", status.role),
            (
                "Writes", "Écritures", "الكتابة",
                view.isWritable ? "yes · oui · نعم" : "no · non · لا"
            ),
            ("Primary", "Principal", "الرئيسي", status.primary ?? unknown),
            ("Epoch", "Époque", "الحقبة", "\(status.epoch)"),
            (
                "In sync", "Synchronisés", "متزامنة",
                status.inSync.isEmpty ? "–" : status.inSync.joined(separator: ", ")
            ),
            ("Committed", "Validé", "المثبت", "\(status.committed)"),
            ("Applied", "Appliqué", "المطبق", "\(status.applied)"),
            (
                "Lag, transactions", "Retard, transactions", "التأخر بالمعاملات",
                lag.transactions.map(\.description) ?? unknown
            ),
            (
                "Lag, bytes", "Retard, octets", "التأخر بالبايت",
                lag.bytes.map(\.description) ?? unknown
            ),
            (
                "Lag, seconds", "Retard, secondes", "التأخر بالثواني",
                lag.seconds.map(\.description) ?? unknown
            ),
            (
                "Link", "Liaison", "الوصلة",
                status.link.connected
                    ? "\(status.link.peer), \(status.link.state)"
                    : status.link.lastError ?? "not connected · non connectée · غير متصلة"
            ),
            (
                "Arbiter", "Arbitre", "الحكم",
                status.arbiterReachable.map {
                    $0 ? "✔" : "✘ " + (status.arbiterProblem ?? "")
                } ?? "–"
            ),
            ("Version", "Version", "الإصدار", status.softwareVersion),
        ]
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
