//! What stands behind the question mark.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::server::failure::Refused;

/// A query of the shape that the route reads.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Refused> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|axum::extract::Query(query)| Query(query)).map_err(|error| Refused::query("", &error.body_text()))
    }
}

/// How many are wanted: within these bounds, or as many as usual.
pub(super) fn limit(given: Option<usize>, most: usize, usual: usize) -> Result<usize, Refused> {
    match given {
        None => Ok(usual),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Refused::query("limit", &format!("must be 1 to {most}"))),
    }
}
