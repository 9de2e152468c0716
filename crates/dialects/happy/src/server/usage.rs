//! What sessions say that they have spent: one report per key, the newest in place of the one before.

use std::collections::{BTreeMap, HashMap};

use rejoin_core::position::Millis;
use rejoin_ports::gateway::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};

use super::hub::{Scope, Signal};
use super::shelf::{Kept, is_key, put, until_kept};
use super::who::Who;
use super::{Hall, id, session};
use crate::wire::Ephemeral;

const KIND: &str = "happy.usage";
/// Reports that a query adds up.
const LOOKED_AT: usize = 100_000;
/// Numbers of a report, and the longest name of one.
const NUMBERS: usize = 32;
const LONGEST_NAME: usize = 64;
/// Buckets of an answer: eleven years of days, half a year of hours.
const BUCKETS: usize = 4_096;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    id: String,
    tokens: Map<String, Value>,
    cost: Map<String, Value>,
    created_at: Millis,
    updated_at: Millis,
}

/// How reports are put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Grouping {
    Hour,
    #[default]
    Day,
}

impl Grouping {
    fn seconds(self) -> u64 {
        match self {
            Grouping::Hour => 3_600,
            Grouping::Day => 86_400,
        }
    }
}

/// Which reports are added up. Times are seconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    start_time: Option<f64>,
    #[serde(default)]
    end_time: Option<f64>,
    #[serde(default)]
    group_by: Option<Grouping>,
}

/// What a bucket of time has brought.
#[derive(Default)]
struct Bucket {
    tokens: HashMap<String, f64>,
    cost: HashMap<String, f64>,
    reports: u64,
}

/// Acknowledges `usage-report`.
pub(super) async fn report(hall: &Hall, who: &Who, arg: &Value) -> Value {
    let error = |error: &str| json!({ "success": false, "error": error });
    let Some(key) = arg.get("key").and_then(Value::as_str).filter(|key| is_key(key)) else {
        return error("Invalid key");
    };
    let Some(tokens) = numbers(arg.get("tokens")) else {
        return error("Invalid tokens object - must include total");
    };
    let Some(cost) = numbers(arg.get("cost")) else {
        return error("Invalid cost object - must include total");
    };
    let session = match arg.get("sessionId") {
        None | Some(Value::Null) => None,
        Some(Value::String(session)) => Some(session.as_str()),
        Some(_) => return error("Invalid sessionId"),
    };
    match keep(hall, who, key, session, tokens, cost).await {
        Ok(Report { id, created_at, updated_at, .. }) => {
            json!({ "success": true, "reportId": id, "createdAt": created_at, "updatedAt": updated_at })
        }
        Err(Failure::NotFound(_)) => error("Session not found"),
        Err(failure) => {
            tracing::warn!(error = &failure as &dyn std::error::Error, "happy: a usage report was not kept");
            error("Failed to save usage report")
        }
    }
}

/// A total and other numbers; what is none is left out.
fn numbers(of: Option<&Value>) -> Option<Map<String, Value>> {
    let given = of?.as_object()?;
    given.get("total").filter(|total| total.is_number())?;
    let good = |(name, value): &(&String, &Value)| value.is_number() && name.len() <= LONGEST_NAME;
    let numbers: Map<String, Value> =
        given.iter().filter(good).map(|(name, value)| (name.clone(), value.clone())).collect();
    (numbers.len() <= NUMBERS).then_some(numbers)
}

async fn keep(
    hall: &Hall,
    who: &Who,
    key: &str,
    session: Option<&str>,
    tokens: Map<String, Value>,
    cost: Map<String, Value>,
) -> Result<Report, Failure> {
    if let Some(session) = session {
        session::born(hall, who, session).await?.ok_or(Failure::NotFound("session"))?;
    }
    let (owner, place) = (who.owner(), place(session.unwrap_or_default(), key));
    let kept = until_kept(|| async {
        let (kept, now): (Kept<Report>, _) = (hall.kept(&owner, KIND, &place).await?, hall.now());
        let expect = kept.unchanged();
        let (id, created_at) = kept.value.map_or_else(|| (id::fresh(), now), |before| (before.id, before.created_at));
        let report = Report { id, tokens: tokens.clone(), cost: cost.clone(), created_at, updated_at: now };
        hall.keep(vec![put(&owner, KIND, &place, expect, Some(&report), now)], Vec::new()).await?;
        Ok(report)
    });
    let report = kept.await?;
    if let Some(session) = session {
        let told = Ephemeral::Usage {
            id: session.to_owned(),
            key: key.to_owned(),
            tokens: tokens.into(),
            cost: cost.into(),
            timestamp: report.updated_at,
        };
        hall.hub.signal(&who.account.id, Signal::new(Scope::People, &told));
    }
    Ok(report)
}

/// Adds up what was reported, by hours or days of UTC.
pub(super) async fn query(hall: &Hall, who: &Who, query: Query) -> Result<Value, Failure> {
    let grouping = query.group_by.unwrap_or_default();
    let prefix = match &query.session_id {
        Some(session) => {
            session::born(hall, who, session).await?.ok_or(Failure::NotFound("session"))?;
            place(session, "")
        }
        None => String::new(),
    };
    let (mut buckets, mut total): (BTreeMap<u64, Bucket>, u64) = (BTreeMap::new(), 0);
    let add = |_: &str, report: Report| {
        let seconds = report.created_at as f64 / 1_000.0;
        if query.start_time.is_some_and(|start| seconds < start) || query.end_time.is_some_and(|end| seconds > end) {
            return;
        }
        let begins = report.created_at / 1_000 / grouping.seconds() * grouping.seconds();
        total += 1;
        buckets.entry(begins).or_default().add(&report);
        if buckets.len() > BUCKETS {
            buckets.pop_first();
        }
    };
    hall.each(&who.owner(), KIND, &prefix, LOOKED_AT, add).await?;
    let usage: Vec<Value> = buckets.into_iter().map(|(begins, bucket)| bucket.shown(begins)).collect();
    Ok(json!({ "usage": usage, "groupBy": grouping, "totalReports": total }))
}

impl Bucket {
    fn add(&mut self, report: &Report) {
        self.reports += 1;
        for (sums, numbers) in [(&mut self.tokens, &report.tokens), (&mut self.cost, &report.cost)] {
            for (name, number) in numbers {
                // Names are clients' own: however many there are, an answer has not more than these.
                if sums.len() < NUMBERS || sums.contains_key(name) {
                    *sums.entry(name.clone()).or_default() += number.as_f64().unwrap_or(0.0);
                }
            }
        }
    }

    fn shown(self, begins: u64) -> Value {
        json!({
            "timestamp": begins,
            "tokens": sums(self.tokens),
            "cost": sums(self.cost),
            "reportCount": self.reports,
        })
    }
}

fn sums(of: HashMap<String, f64>) -> Map<String, Value> {
    of.into_iter().map(|(name, sum)| (name, number(sum).into())).collect()
}

/// Whole numbers are written without a point.
fn number(sum: f64) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if sum.fract() == 0.0 && sum.abs() < EXACT {
        return (sum as i64).into();
    }
    Number::from_f64(sum).unwrap_or_else(|| 0.into())
}

/// The session was deleted.
pub(super) async fn forget_session(hall: &Hall, who: &Who, session: &str) -> Result<(), Failure> {
    hall.forget_all(who, KIND, &place(session, "")).await
}

/// Ids of sessions have no blanks. What belongs to none begins with one.
fn place(session: &str, key: &str) -> String {
    format!("{session} {key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(created_at: Millis, total: f64) -> Report {
        let tokens = Map::from_iter([("total".to_owned(), json!(total)), ("input".to_owned(), json!(1))]);
        Report { id: String::new(), tokens, cost: Map::new(), created_at, updated_at: 0 }
    }

    #[test]
    fn sums_of_whole_numbers_have_no_point() {
        let mut bucket = Bucket::default();
        bucket.add(&report(0, 1.5));
        bucket.add(&report(0, 2.5));
        let shown = bucket.shown(86_400);
        let told = r#"{"cost":{},"reportCount":2,"timestamp":86400,"tokens":{"input":2,"total":4}}"#;
        assert_eq!(serde_json::to_value(shown).unwrap(), serde_json::from_str::<Value>(told).unwrap());
        assert_eq!(number(0.25).to_string(), "0.25");
        assert_eq!(number(f64::INFINITY).to_string(), "0");
    }

    #[test]
    fn a_report_needs_a_total_and_keeps_no_more_than_numbers() {
        assert_eq!(numbers(None), None);
        assert_eq!(numbers(Some(&json!([]))), None);
        assert_eq!(numbers(Some(&json!({ "input": 1 }))), None);
        assert_eq!(numbers(Some(&json!({ "total": "1" }))), None);
        let read = numbers(Some(&json!({ "total": 1, "input": "x", "output": 2.5 }))).unwrap();
        assert_eq!(Value::from(read), json!({ "total": 1, "output": 2.5 }));
        let many: Map<String, Value> = (0..100).map(|n| (n.to_string(), json!(1))).collect();
        let many = json!({ "total": 1, "more": many.clone() }).as_object().unwrap().clone().into_iter().chain(many);
        assert_eq!(numbers(Some(&Value::Object(many.collect()))), None);
    }
}
