//! One line of a log: what is known of it whatever signal it holds, its stamps, and what is shown of it.

use std::borrow::Cow;
use std::ops::Range;

use defib_formats::log::{self, Origin};
use defib_model::EntityId;
use defib_model::signal::{Form, Local};

use super::Owner;

/// What is known of a line, whatever signal it holds.
pub(super) struct Heard<'s> {
    /// Where the line begins.
    pub(super) start: usize,
    /// Where what is shown of it begins.
    pub(super) from: usize,
    /// What is shown of it.
    pub(super) said: &'s str,
    /// Bytes of the marks of a quotation in front.
    pub(super) quoted: usize,
    /// What is shown, behind these marks.
    pub(super) body: &'s str,
    /// The same without escapes.
    pub(super) plain: Cow<'s, str>,
    /// Its beginning.
    pub(super) head: &'s str,
    /// The part of it that says whose it is and when.
    pub(super) line_said: &'s str,
    /// The pod that whoever shipped the line names.
    pub(super) shipped: Option<EntityId>,
    /// Host and program, as it says itself.
    pub(super) origin: Origin<'s>,
}

impl<'s> Heard<'s> {
    pub(super) fn new(
        start: usize,
        from: usize,
        said: &'s str,
        head: &'s str,
        owner: &Owner,
    ) -> Self {
        // Behind the marks of a quotation the line begins.
        let quoted = match from == start && said.starts_with(['>', '|']) {
            true => said.len() - said.trim_start_matches(['>', '|', ' ']).len(),
            false => 0,
        };
        let body = said.get(quoted..).unwrap_or_default();
        // A line of JSON says in any place whose it is.
        let line_said = if head.starts_with('{') { said } else { head };
        let (shipped, origin) = match owner.entity {
            Some(_) => (None, Origin::default()),
            None => (
                log::pod_of(head)
                    .map(|(namespace, name)| EntityId::object("Pod", "", namespace, name)),
                log::origin(line_said).unwrap_or_default(),
            ),
        };
        Self {
            start,
            from,
            said,
            quoted,
            body,
            plain: log::unescape(body.trim_end_matches('\r')),
            head,
            line_said,
            shipped,
            origin,
        }
    }
}

/// Lines need not stand in the order of their times: `journalctl -r` turns it round.
pub(super) fn earlier(
    a: Option<jiff::Timestamp>,
    b: Option<jiff::Timestamp>,
) -> Option<jiff::Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        _ => a.or(b),
    }
}

/// The later of two stamps; where they can't be compared, the one further down.
pub(super) fn later(a: Option<Local>, b: Option<Local>) -> Option<Local> {
    match (a, b) {
        (Some(x), Some(y)) if x.order(y) == Some(std::cmp::Ordering::Greater) => a,
        _ => b.or(a),
    }
}

/// The stamp without year and zone, also of a line whose program writes a full one behind it.
pub(super) fn local_of(line: &str) -> Option<Local> {
    let (form, month, day, second) = match log::partial_of(line)? {
        log::Partial::Syslog(m, d, s) => (Form::Syslog, m, d, s),
        log::Partial::Klog(m, d, s) => (Form::Klog, m, d, s),
        log::Partial::Kernel(m, d, s) => (Form::Kernel, m, d, s),
    };
    Some(Local {
        form,
        month,
        day,
        second,
    })
}

/// The text, with what is no UTF-8 made visible.
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    // Most text is good, and telling so is cheaper than repairing it.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// At most 400 characters of a line: all that matched where that is short enough, in its middle, else
/// what stands around the byte at `hit`.
pub(super) fn around(line: &str, hit: usize, span: Range<usize>) -> String {
    const LIMIT: usize = defib_model::report::QUOTE_LIMIT;
    if line.len() <= LIMIT {
        return line.to_owned();
    }
    // These are places in bytes; what was repaired before them may have moved them a little.
    let wanted = if !span.is_empty() && span.len() <= LIMIT {
        span.start.saturating_sub((LIMIT - span.len()) / 2)
    } else {
        hit.saturating_sub(120)
    };
    let mut start = wanted.min(line.len() - LIMIT);
    while !line.is_char_boundary(start) {
        start -= 1;
    }
    line.get(start..)
        .unwrap_or_default()
        .chars()
        .take(LIMIT)
        .collect()
}
