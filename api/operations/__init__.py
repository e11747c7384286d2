"""Operations: health, metrics, audit."""
