#include "grammar/schema/formats.h"

#include <fmt/format.h>

#include <map>

namespace hearth::grammar {

namespace {

std::map<std::string, std::string, std::less<>> make_formats() {
    std::map<std::string, std::string, std::less<>> made;
    // RFC 3339. The 29th of February in leap years only; a leap second ends a day in UTC.
    const std::string leap = "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
    const std::string date =
        "(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|"
        "1\\d|2[0-8]))|" +
        leap + "-02-29)";
    const std::string time =
        "(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)|23:59:60(?:\\."
        "\\d{1,9})?Z)";
    made["date"] = date;
    made["time"] = time;
    made["date-time"] = date + "T" + time;
    const std::string n = "\\d{1,9}";
    const std::string clock = fmt::format("T(?:{0}H(?:{0}M(?:{0}S)?)?|{0}M(?:{0}S)?|{0}S)", n);
    made["duration"] = fmt::format("P(?:{0}W|(?:{0}Y(?:{0}M(?:{0}D)?)?|{0}M(?:{0}D)?|{0}D)(?:{1})?|{1})", n, clock);

    const std::string label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    const std::string host = fmt::format("{0}(?:\\.{0})*", label);
    made["hostname"] = host;
    const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    made["email"] = atom + "(?:\\." + atom + ")*@" + host;
    const std::string byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    const std::string ipv4 = byte + "(?:\\." + byte + "){3}";
    made["ipv4"] = ipv4;
    const std::string group = "[0-9A-Fa-f]{1,4}", last = "(?:" + group + ":" + group + "|" + ipv4 + ")";
    std::string ipv6 = "(?:(?:" + group + ":){6}" + last;
    for (int before = 0; before <= 7; ++before) {  // groups in front of "::"
        const std::string front = before == 0 ? "" : fmt::format("{0}(?::{0}){{{1}}}", group, before - 1);
        const int behind = 7 - before;  // at most, 32-bit pieces counting two
        ipv6 += "|" + front + "::";
        if (behind >= 2) ipv6 += fmt::format("(?:(?:{0}:){{0,{1}}}(?:{2}|{0}))?", group, behind - 2, last);
        if (behind == 1) ipv6 += "(?:" + group + ")?";
    }
    ipv6 += ")";
    made["ipv6"] = ipv6;
    made["uuid"] = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";

    // RFC 3986.
    const std::string encoded = "%[0-9A-Fa-f]{2}", plain = "A-Za-z0-9._~!$&'()*+,;=\\-";
    const std::string in_path = fmt::format("(?:[{}:@]|{})", plain, encoded);
    const std::string user = fmt::format("(?:(?:[{}:]|{})*@)?", plain, encoded);
    const std::string name = fmt::format("(?:\\[{}\\]|(?:[{}]|{})*)", ipv6, plain, encoded);
    const std::string authority = "//" + user + name + "(?::\\d{0,5})?(?:/" + in_path + "*)*";
    const std::string tail = fmt::format("(?:\\?(?:{0}|[/?])*)?(?:#(?:{0}|[/?])*)?", in_path);
    const std::string rooted = "/(?:" + in_path + "+(?:/" + in_path + "*)*)?";
    const std::string scheme = "[A-Za-z][A-Za-z0-9+.-]*:";
    made["uri"] = scheme + "(?:" + authority + "|" + rooted + "|(?:" + in_path + "+(?:/" + in_path + "*)*)?)" + tail;
    const std::string no_colon = fmt::format("(?:[{}@]|{})", plain, encoded);
    made["uri-reference"] = "(?:" + made["uri"] + "|(?:" + authority + "|" + rooted + "|(?:" + no_colon + "+(?:/" +
                            in_path + "*)*)?)" + tail + ")";
    made["json-pointer"] = "(?:/(?:[^/~]|~[01])*)*";
    made["relative-json-pointer"] = "(?:0|[1-9]\\d{0,8})(?:#|(?:/(?:[^/~]|~[01])*)*)";
    return made;
}

}  // namespace

std::optional<std::string> expression_of_format(std::string_view name) {
    static const auto kFormats = make_formats();
    const auto found = kFormats.find(name);
    if (found == kFormats.end()) return std::nullopt;
    return found->second;
}

}  // namespace hearth::grammar
