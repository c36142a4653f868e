INSERT INTO channel.chaincode_package (package_id, content) VALUES (%s, %s) ON CONFLICT DO NOTHING
