//! Parameters in a path and in a query, checked by the schema that the API description shows.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::api::Api;
use crate::body::shaped;
use crate::identity::COMMON;
use crate::problem::Problem;
use crate::shape::Shape;

/// What stands in the query besides what every request may have.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: JsonSchema + DeserializeOwned + 'static> FromRequestParts<Api> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Params<T>, Problem> {
        let shape = Shape::of::<T>();
        let mut fields = Map::new();
        for (name, text) in pairs(parts)? {
            if COMMON.contains(&name.as_str()) {
                continue;
            }
            let value = typed(&shape, &name, text);
            if fields.insert(name.clone(), value).is_some() {
                return Err(Problem::malformed(&name, "it stands there twice"));
            }
        }
        shaped(Value::Object(fields)).map(Params)
    }
}

/// The query as names and texts.
pub(crate) fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    if parts.uri.query().is_none() {
        return Ok(Vec::new());
    }
    Query::try_from_uri(&parts.uri)
        .map(|Query(pairs)| pairs)
        .map_err(|_| Problem::malformed("", "the query is not `name=text` pairs"))
}

/// A query has only texts: where the schema wants something else, and the text is that, it becomes it.
fn typed(shape: &Shape, name: &str, text: String) -> Value {
    let wanted = shape
        .resolve(&shape.root)
        .get("properties")
        .and_then(|properties| properties.get(name))
        .and_then(|schema| shape.resolve(schema).get("type"));
    let wants = |kind: &str| match wanted {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => false,
    };
    match text.as_str() {
        "true" | "1" | "" if wants("boolean") => true.into(),
        "false" | "0" if wants("boolean") => false.into(),
        digits if wants("integer") => digits.parse::<u64>().map_or(text.into(), Value::from),
        _ => text.into(),
    }
}

/// What stands in the path. What cannot be an id is the id of nothing.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<At<T>, Problem> {
        match Path::from_request_parts(parts, api).await {
            Ok(Path(at)) => Ok(At(at)),
            Err(_) => Err(Problem::new("not_found", "there is no such thing")),
        }
    }
}
