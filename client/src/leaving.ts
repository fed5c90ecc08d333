// Iterations that can be left while they wait.

/**
 * The generator that `begin` makes, whose return() and throw() do not queue behind a next() that waits: they abort the signal that the
 * generator was given, which is also aborted with the caller's.
 */
export function leavable<T>(
  begin: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  const left = new AbortController();
  const generator = begin(joined(signal, left.signal));
  const leave = generator.return.bind(generator);
  const fail = generator.throw.bind(generator);
  generator.return = (value) => {
    left.abort(signal?.reason); // mentioned, so that a signal that nobody else knows of lives as long as this
    return leave(value);
  };
  generator.throw = (error) => {
    left.abort();
    return fail(error);
  };
  return generator;
}

/** A signal of one's own: any number of listeners on the caller's would be warned of. */
export function joined(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}
