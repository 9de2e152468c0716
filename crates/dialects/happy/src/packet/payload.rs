//! Payloads of polling: packets, one behind the other.

/// Stands between two packets, and in none: JSON escapes it.
pub const SEPARATOR: char = '\x1e';

/// The packets of a payload; none if it is empty.
pub fn split(payload: &str) -> impl Iterator<Item = &str> {
    (!payload.is_empty()).then(|| payload.split(SEPARATOR)).into_iter().flatten()
}

/// Adds one more packet to a payload.
pub fn join(payload: &mut String, packet: &str) {
    if !payload.is_empty() {
        payload.push(SEPARATOR);
    }
    payload.push_str(packet);
}
