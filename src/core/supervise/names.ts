// What a service can be called.

/** In the directory of the state of a user's services, beside those of the services. */
export const environmentName = "env";
export const bootIdName = "boot-id";

/** Whether no service of a user can be called so: there is, or may be, something else of that name beside its state. */
export function isReserved(name: string): boolean {
  return name === environmentName || name === bootIdName || name.endsWith(".log");
}

/** Whether a service of a user can be called so; "" or why not. */
export function whyNoName(name: string): string {
  if (name === "") return "a name must not be empty";
  if (name.startsWith(".")) return `${name}: a name must not begin with a dot`;
  if (name.includes("/")) return `${name}: a name must not contain a slash`;
  return isReserved(name) || name.includes("\0") ? `${name}: no service can be called that` : "";
}
