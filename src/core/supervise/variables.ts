// What the scripts of a service are told about it where its state is not beside them.

/** Entries of a SpawnPlan: SV_NAME, SV_INSTANCE (what follows the first @, if any), SV_STATE ("": in memory), SV_LOGDIR. */
export function serviceVariables(name: string, state: string, logDirectory: string): string[] {
  const at = name.indexOf("@");
  const variables = [`SV_NAME=${name}`, at < 0 ? "SV_INSTANCE" : `SV_INSTANCE=${name.slice(at + 1)}`];
  if (state !== "") variables.push(`SV_STATE=${state}`);
  variables.push(`SV_LOGDIR=${logDirectory}`);
  return variables;
}
