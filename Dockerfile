# One image for nodes and coordinators, built from this checkout:
#   docker build -t cachefs:0.1.0 .
# A node needs --privileged (or --cap-add SYS_ADMIN --device /dev/fuse); see docs/OPERATIONS.md.

FROM node:24-bookworm-slim AS build
WORKDIR /cachefs
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY bin bin
COPY scripts/with-node scripts/
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
# mount(8) mounts; tini forwards signals and reaps children of a dead daemon.
RUN apt-get update \
  && apt-get install -y --no-install-recommends mount tini \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production PATH=/cachefs/bin:$PATH
COPY --from=build /cachefs/package.json /cachefs/
COPY --from=build /cachefs/node_modules /cachefs/node_modules
COPY --from=build /cachefs/dist /cachefs/dist
COPY bin /cachefs/bin
EXPOSE 8080 8081
ENTRYPOINT ["tini", "--"]
CMD ["client"]
