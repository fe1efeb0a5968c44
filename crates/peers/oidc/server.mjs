// An OpenID Connect provider on a free loopback port. Its only argument is a JSON object:
//   clients        as oidc-provider takes them
//   accounts       { login: claims }; whoever is in it logs in with any password
//   claimsInToken  whether claims are in the ID token; if not, userinfo alone has them
//   algorithm      what ID tokens are signed with
// Its first line of output is {"issuer": URL}. It ends when its standard input does.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const { clients, accounts, claimsInToken, algorithm } = JSON.parse(process.argv[1]);

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  kid: alg,
  alg,
  use: 'sig',
});
const keys = [key('rsa', { modulusLength: 2048 }, 'RS256')];
if (algorithm === 'ES256') keys.push(key('ec', { namedCurve: 'P-256' }, 'ES256'));
if (algorithm === 'PS256') keys.push(key('rsa', { modulusLength: 2048 }, 'PS256'));

const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: clients.map((client) => ({ id_token_signed_response_alg: algorithm, ...client })),
  jwks: { keys },
  cookies: { keys: ['of this test only'] },
  claims: {
    profile: ['name', 'preferred_username', 'department', 'groups'],
    email: ['email', 'email_verified'],
  },
  conformIdTokenClaims: !claimsInToken,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  ttl: { Session: 3600, Interaction: 600, Grant: 3600, AccessToken: 600, IdToken: 600 },
  async findAccount(_, id) {
    const claims = accounts[id];
    return claims && { accountId: id, claims: async () => ({ sub: id, ...claims }) };
  },
});

server.on('request', provider.callback());
console.log(JSON.stringify({ issuer }));
process.stdin.on('end', () => process.exit()).resume();
