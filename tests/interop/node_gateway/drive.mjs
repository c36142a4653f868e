// Drives a running consortium with the official Fabric Gateway client, one step after another, and prints what each
// step saw as one JSON object. It judges nothing: tests/interop/test_node_gateway.py does.
//
// Usage: node drive.mjs <settings.json>
//   settings: {address, serverName, channel, mspId, rootsPem, tlsCertificatePem, tlsKeyPem, certificatePem, keyPem}

import * as grpc from '@grpc/grpc-js';
import { checkpointers, connect, signers } from '@hyperledger/fabric-gateway';
import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const utf8 = new TextDecoder();
const seconds = (n) => () => ({ deadline: Date.now() + n * 1000 });

const credentials = grpc.credentials.createSsl(
    Buffer.from(settings.rootsPem),
    Buffer.from(settings.tlsKeyPem),
    Buffer.from(settings.tlsCertificatePem),
);
const client = new grpc.Client(settings.address, credentials, {
    'grpc.ssl_target_name_override': settings.serverName,
});
const identity = { mspId: settings.mspId, credentials: Buffer.from(settings.certificatePem) };
const signer = signers.newPrivateKeySigner(createPrivateKey(settings.keyPem));
const options = {
    client,
    identity,
    tlsClientCertificateHash: createHash('sha256').update(new X509Certificate(settings.tlsCertificatePem).raw).digest(),
    evaluateOptions: seconds(10),
    endorseOptions: seconds(20),
    submitOptions: seconds(20),
    commitStatusOptions: seconds(30),
    chaincodeEventsOptions: seconds(60),
    blockEventsOptions: seconds(60),
    filteredBlockEventsOptions: seconds(60),
};

// A stream that fails while nobody reads it ends a Node process; here it must not cost the other steps their result.
const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(failure(error)));

const newId = () => randomBytes(16).toString('hex');
const demandArguments = (id) => [id, settings.mspId, '[1]', 'interop_test', '["entry"]'];
const failure = (error) => ({
    name: error.name,
    message: error.message,
    code: error.code,
    transactionId: error.transactionId,
    details: (error.details ?? []).map(({ address, mspId, message }) => ({ address, mspId, message })),
});
const failureOf = async (action) => {
    try {
        return { unexpected: utf8.decode(await action()) };
    } catch (error) {
        return failure(error);
    }
};
const first = async (events) => {
    try {
        for await (const event of events) {
            return event;
        }
        return undefined;
    } finally {
        events.close();
    }
};

const steps = {
    async evaluate({ audit }, seen) {
        return JSON.parse(utf8.decode(await audit.evaluateTransaction('GetDemand', seen.submit.id)));
    },

    async submit({ audit }) {
        const id = newId();
        const commit = await audit.submitAsync('Demand', { arguments: demandArguments(id) });
        const status = await commit.getStatus();
        return {
            id,
            result: JSON.parse(utf8.decode(commit.getResult())),
            transactionId: commit.getTransactionId(),
            successful: status.successful,
            code: status.code,
            blockNumber: Number(status.blockNumber),
        };
    },

    async chaincodeEvent({ network, audit }) {
        const events = await network.getChaincodeEvents('audit');
        const id = newId();
        const commit = await audit.submitAsync('Demand', { arguments: demandArguments(id) });
        const event = await first(events);
        const status = await commit.getStatus();
        return {
            id,
            name: event.eventName,
            chaincode: event.chaincodeName,
            payload: JSON.parse(utf8.decode(event.payload)),
            sameTransaction: event.transactionId === commit.getTransactionId(),
            sameBlock: event.blockNumber === status.blockNumber,
        };
    },

    // A listener that dealt with the first of two events and then resumes must see the second and only the second.
    async checkpoint({ network, audit }) {
        const blocks = [];
        const ids = [newId(), newId()];
        for (const id of ids) {
            const commit = await audit.submitAsync('Demand', { arguments: demandArguments(id) });
            blocks.push((await commit.getStatus()).blockNumber);
        }
        const checkpoint = checkpointers.inMemory();
        const startBlock = blocks[0];
        const before = await first(await network.getChaincodeEvents('audit', { startBlock, checkpoint }));
        checkpoint.checkpointChaincodeEvent(before);
        const after = await first(await network.getChaincodeEvents('audit', { startBlock, checkpoint }));
        const idOf = (event) => JSON.parse(utf8.decode(event.payload)).demand_id;
        return { sent: ids, seen: [idOf(before), idOf(after)] };
    },

    async endorseError({ audit }, seen) {
        return failureOf(() => audit.submitTransaction('Demand', ...demandArguments(seen.submit.id)));
    },

    async evaluateError({ audit }) {
        return failureOf(() => audit.evaluateTransaction('GetDemand', newId()));
    },

    // Both are endorsed before either is committed, so the second reads what the first then writes.
    async commitError({ audit }) {
        const id = newId();
        const propose = () => audit.newProposal('Demand', { arguments: demandArguments(id) }).endorse();
        const [winner, loser] = [await propose(), await propose()];
        const status = await (await winner.submit()).getStatus();
        const lost = await (await loser.submit()).getStatus();
        return { winner: status.code, loser: lost.code, successful: lost.successful };
    },

    async submitTransactionConflict({ audit }) {
        const id = newId();
        const outcomes = await Promise.allSettled(
            [0, 1].map(() => audit.submitTransaction('Demand', ...demandArguments(id))),
        );
        return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'committed' : failure(outcome.reason)));
    },

    async unknownChaincode({ network }) {
        return failureOf(() => network.getContract('nothing_here').evaluateTransaction('Get'));
    },

    async unknownChannel({ gateway }) {
        return failureOf(() => gateway.getNetwork('nowhere').getContract('audit').evaluateTransaction('GetLog', 'X'));
    },

    async blockEvents({ network }) {
        const block = await first(await network.getBlockEvents({ startBlock: 1n }));
        const filtered = await first(await network.getFilteredBlockEvents({ startBlock: 1n }));
        return {
            number: block.getHeader().getNumber(),
            transactions: block.getData().getDataList().length,
            flags: block.getMetadata().getMetadataList_asU8()[2].length,
            filteredNumber: filtered.getNumber(),
            filteredTransactions: filtered.getFilteredTransactionsList().length,
            channel: filtered.getChannelId(),
        };
    },

    async offlineSigning({ offline }) {
        const id = newId();
        const contract = offline.getNetwork(settings.channel).getContract('audit');
        const proposal = contract.newProposal('Demand', { arguments: demandArguments(id) });
        const signedProposal = offline.newSignedProposal(proposal.getBytes(), await signer(proposal.getDigest()));
        const transaction = await signedProposal.endorse();
        const signedTransaction = offline.newSignedTransaction(
            transaction.getBytes(),
            await signer(transaction.getDigest()),
        );
        const commit = await signedTransaction.submit();
        const signedCommit = offline.newSignedCommit(commit.getBytes(), await signer(commit.getDigest()));
        const status = await signedCommit.getStatus();
        return { successful: status.successful, code: status.code };
    },

    async forgedSignature({ offline }) {
        const contract = offline.getNetwork(settings.channel).getContract('audit');
        const proposal = contract.newProposal('Demand', { arguments: demandArguments(newId()) });
        const other = contract.newProposal('Demand', { arguments: demandArguments(newId()) });
        const signedProposal = offline.newSignedProposal(proposal.getBytes(), await signer(other.getDigest()));
        return failureOf(() => signedProposal.endorse());
    },
};

const order = [
    'submit',
    'evaluate',
    'chaincodeEvent',
    'checkpoint',
    'endorseError',
    'evaluateError',
    'commitError',
    'submitTransactionConflict',
    'unknownChaincode',
    'unknownChannel',
    'blockEvents',
    'offlineSigning',
    'forgedSignature',
];

const gateway = connect({ ...options, signer });
const offline = connect(options);
const network = gateway.getNetwork(settings.channel);
const context = { gateway, offline, network, audit: network.getContract('audit') };
const seen = {};
for (const name of order) {
    try {
        seen[name] = await steps[name](context, seen);
    } catch (error) {
        seen[name] = { failed: failure(error) };
    }
}
gateway.close();
offline.close();
client.close();
process.stdout.write(`${JSON.stringify({ ...seen, uncaught }, null, 2)}\n`);
