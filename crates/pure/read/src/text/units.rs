//! Units of systemd and their drop-ins, as files or as `systemctl cat` shows them one behind the other.
//!
//! Source: systemd.unit(5), systemd.service(5), systemd.syntax(7). A unit is what systemd would start, not
//! what runs. Deliberately absent: sections of other programs, and variables with secrets.

use defib_formats::text;
use defib_model::fact::Value;

use super::{Walk, settings};

/// Where a setting of a unit stands.
const PLACE: &str = "unit";
/// The same for what its command is given, as of any command.
const FLAG: &str = "flag of ";

/// Directives that are worth a fact.
const DIRECTIVES: &[&str] = &[
    "After",
    "EnvironmentFile",
    "KillMode",
    "LimitNOFILE",
    "Requires",
    "Restart",
    "RestartSec",
    "TasksMax",
    "TimeoutStartSec",
    "Type",
    "Wants",
];

fn is_section(text: &str) -> bool {
    matches!(text, "[Unit]" | "[Service]" | "[Install]")
}

/// The name that `systemctl cat` prints above each file.
fn is_header(walk: &Walk<'_>, at: usize) -> bool {
    walk.text(at).strip_prefix("# /").is_some_and(|path| {
        !path.contains(' ') && [".service", ".conf"].iter().any(|end| path.ends_with(end))
    }) && (at + 1..at + 6).any(|i| is_section(walk.text(i).trim()))
}

pub(super) fn read(walk: &mut Walk<'_>, at: usize) -> Option<usize> {
    if !is_section(walk.text(at).trim()) {
        return None;
    }
    let mut end = at + 1;
    // What ends the file may be a blank line that only parts two sections.
    while let Some(line) = walk.lines.get(end) {
        let text = line.text.trim().to_owned();
        let comment = text.starts_with(['#', ';']);
        if is_section(&text) || text.is_empty() || is_header(walk, end) {
            end += 1;
            continue;
        }
        let named = text.split_once('=').filter(|(key, _)| {
            key.starts_with(|c: char| c.is_ascii_uppercase())
                && key.chars().all(|c| c.is_ascii_alphanumeric())
        });
        let Some((key, value)) = named else {
            if comment && text::command(line).is_none() {
                end += 1;
                continue;
            }
            break;
        };
        let next = continued(walk, end);
        directive(walk, end, next, key, value);
        end = next;
    }
    Some(end)
}

/// The line behind this one and those that it is continued on.
fn continued(walk: &Walk<'_>, at: usize) -> usize {
    let mut end = at + 1;
    while walk.text(end - 1).trim_end().ends_with('\\') && end < walk.lines.len() {
        end += 1;
    }
    end
}

fn directive(walk: &mut Walk<'_>, at: usize, end: usize, key: &str, value: &str) {
    match key {
        "ExecStart" if value.is_empty() => {
            // A drop-in that empties the list first replaces the command.
            let command = walk
                .command
                .as_ref()
                .map_or("", |c| c.line.as_str())
                .to_owned();
            walk.out.facts.retain(|f| {
                let own =
                    matches!(&f.value, Value::Setting { place, .. } if place.starts_with(FLAG));
                !own || f.command != command
            });
        }
        "ExecStart" => {
            let mut words = Vec::new();
            let mut lines = Vec::new();
            for line in at..end {
                for word in walk.text(line).split_ascii_whitespace() {
                    let word = word.trim_matches(['\'', '"', '\\']);
                    if !word.is_empty() {
                        words.push(word.to_owned());
                        lines.push(line);
                    }
                }
            }
            let program = words
                .first()
                .map_or("", |w| w.rsplit(['/', '=']).next().unwrap_or_default());
            let place = format!("{FLAG}{program}");
            for (word, name, value) in settings::pairs(&words) {
                let line = lines.get(word).copied().unwrap_or(at);
                let setting = Value::Setting {
                    place: place.clone(),
                    name,
                    value,
                };
                walk.fact(line..line + 1, setting);
            }
        }
        "Environment" => {
            for word in value.split(['"', ' ']).filter(|w| !w.is_empty()) {
                if let Some(setting) = settings::variable(word) {
                    walk.fact(at..end, setting);
                }
            }
        }
        _ if DIRECTIVES.contains(&key) && !value.is_empty() => walk.fact(
            at..end,
            Value::Setting {
                place: PLACE.to_owned(),
                name: key.to_owned(),
                value: value.trim().to_owned(),
            },
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use defib_model::fact::Value;

    fn shown(text: &str) -> Vec<String> {
        read(text.as_bytes(), 0)
            .facts
            .into_iter()
            .filter_map(|f| match f.value {
                Value::Setting { place, name, value } => {
                    Some(format!("{} {place}: {name}={value}", f.line))
                }
                Value::Ran(words) if words.first().is_some_and(|w| w.starts_with('/')) => {
                    Some(format!("{words:?}"))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_unit_with_continued_lines_is_read() {
        let text = "root@n1:~# systemctl cat k3s\n# /etc/systemd/system/k3s.service\n[Unit]\nDescription=Lightweight Kubernetes\nAfter=network-online.target\n\n[Service]\nType=notify\nEnvironment=\"HTTP_PROXY=http://proxy.example:3128\"\nLimitNOFILE=1048576\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--flannel-iface=eth1' \\\n\t'--node-ip' \\\n\t'10.0.0.7' \\\n\n# /etc/systemd/system/k3s.service.d/10-x.conf\n[Service]\nRestart=no\nroot@n1:~# date\n";
        assert_eq!(
            shown(text),
            [
                "5 unit: After=network-online.target",
                "8 unit: Type=notify",
                "9 environment: HTTP_PROXY=http://proxy.example:3128",
                "10 unit: LimitNOFILE=1048576",
                "13 flag of k3s: flannel-iface=eth1",
                "14 flag of k3s: node-ip=10.0.0.7",
                "19 unit: Restart=no",
            ]
        );
    }

    #[test]
    fn a_drop_in_replaces_the_command() {
        let text = "[Service]\nExecStart=/usr/local/bin/k3s server --node-ip=10.0.0.1\n# /etc/systemd/system/k3s.service.d/x.conf\n[Service]\nExecStart=\nExecStart=/usr/local/bin/k3s server --node-ip=10.0.0.2\n";
        assert_eq!(shown(text), ["6 flag of k3s: node-ip=10.0.0.2"]);
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_without_panic(body in "[-a-zA-Z0-9=\\[\\]'\"#/. \\\\\n]{0,200}") {
            let _ = shown(&format!("[Service]\nExecStart=/k3s \\\n{body}"));
        }
    }
}
