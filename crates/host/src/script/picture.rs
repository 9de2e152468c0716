//! The picture of `!image`.

use rejoin_core::happening::Happening;

/// A PNG of one green pixel.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mPQqzUCAAG6AN76d2wkAAAAAElFTkSuQmCC";

pub(super) fn image() -> Happening {
    Happening::Image { mime: "image/png".into(), url: PIXEL.into() }
}
